"""Responses as octets: whatever a server sends, an answer or a reason, never an exception."""

import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, strategies as st

from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_runtime.dns.wire import (
    MAX_RECORDS,
    Alias,
    NoSuchName,
    Query,
    Unusable,
    encode_name,
    make_query,
    read_response,
)

QUESTION = DnsQuestion("www.example.org", RecordType.A)


def response(query: Query, *answer: str, code: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(query.wire))
    message.set_rcode(code)
    for line in answer:
        name, kind, value = line.split(" ", 2)
        message.answer.append(dns.rrset.from_text(name, 60, "IN", kind, value))
    return message.to_wire()


def test_an_alias_without_its_target_is_to_be_asked() -> None:
    query = make_query(QUESTION)
    wire = response(query, "www.example.org. CNAME There.example.org.")
    assert read_response(query, wire, tcp=False) == Alias("there.example.org", 60.0)


def test_records_of_another_name_are_not_taken() -> None:
    query = make_query(QUESTION)
    wire = response(query, "other.example.org. A 192.0.2.66")
    found = read_response(query, wire, tcp=False)
    assert isinstance(found, DnsAnswer)
    assert found.status is DnsStatus.NODATA


def test_records_are_counted_out() -> None:
    query = make_query(QUESTION)
    message = dns.message.make_response(dns.message.from_wire(query.wire))
    addresses = [f"192.0.{n // 250}.{n % 250}" for n in range(MAX_RECORDS + 50)]
    message.answer.append(dns.rrset.from_text("www.example.org.", 60, "IN", "A", *addresses))
    found = read_response(query, message.to_wire(max_size=65_535), tcp=True)
    assert isinstance(found, DnsAnswer)
    assert len(found.records) == MAX_RECORDS


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP])
def test_a_code_is_a_failure(code: dns.rcode.Rcode) -> None:
    query = make_query(QUESTION)
    assert read_response(query, response(query, code=code), tcp=False) is Unusable.FAILED


def test_cut_is_to_be_asked_again_but_not_over_tcp() -> None:
    query = make_query(QUESTION)
    message = dns.message.make_response(dns.message.from_wire(query.wire))
    message.flags |= dns.flags.TC
    assert read_response(query, message.to_wire(), tcp=False) is Unusable.TRUNCATED
    assert read_response(query, message.to_wire(), tcp=True) is Unusable.FAILED


def test_a_query_is_no_response() -> None:
    query = make_query(QUESTION)
    assert read_response(query, query.wire, tcp=False) is Unusable.STRAY


def test_the_answer_to_another_question_is_none_of_ours() -> None:
    query, other = make_query(QUESTION), make_query(DnsQuestion("www.example.net", RecordType.A))
    wire = response(other, "www.example.net. A 192.0.2.1")
    assert read_response(query, query.wire[:2] + wire[2:], tcp=False) is Unusable.STRAY


@given(st.binary(max_size=600))
def test_octets_never_raise(data: bytes) -> None:
    query = make_query(QUESTION)
    assert isinstance(
        read_response(query, query.wire[:2] + data, tcp=False), Unusable | DnsAnswer | Alias
    )


@given(st.lists(st.tuples(st.integers(2, 200), st.integers(0, 255)), max_size=8))
def test_a_changed_response_never_raises(changes: list[tuple[int, int]]) -> None:
    query = make_query(DnsQuestion("example.org", RecordType.TXT))
    wire = bytearray(response(query, 'example.org. TXT "one" "two"'))
    for at, octet in changes:
        wire[at % len(wire)] = octet
    found = read_response(query, bytes(wire), tcp=False)
    assert isinstance(found, Unusable | DnsAnswer | Alias)


@given(st.text(max_size=300))
def test_a_text_is_a_name_or_none(text: str) -> None:
    try:
        wire = make_query(DnsQuestion(text, RecordType.A)).wire
    except NoSuchName:
        return
    assert len(wire) <= 12 + 255 + 4 + 11


def test_a_backslash_is_a_backslash() -> None:
    assert encode_name("a\\.b.example") == b"\x02a\\\x01b\x07example\x00"


def test_ids_are_not_guessable() -> None:
    assert len({make_query(QUESTION).wire[:2] for _ in range(50)}) > 40


def raw(query: Query, flags: int, counts: tuple[int, int], rest: bytes) -> bytes:
    head = query.wire[:2] + struct.pack("!HHHHH", flags, 1, *counts, 0)
    return head + query.wire[12:-11] + rest


@pytest.mark.parametrize(
    "rest",
    [
        b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x05\x01\x02\x03\x04\x05",  # five octets as A
        b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x08\x01\x02\x03\x04",  # longer than the message
        b"\xc0\x21\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04",  # a pointer at itself
        b"\xff\xff\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04",  # a pointer ahead
        b"\x80a\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04",  # a label of no kind
    ],
)
def test_what_does_not_fit_its_lengths_is_no_answer(rest: bytes) -> None:
    query = make_query(QUESTION)
    assert read_response(query, raw(query, 0x8180, (1, 0), rest), tcp=False) is Unusable.STRAY


def test_a_ttl_beyond_all_bounds_is_none() -> None:
    query = make_query(QUESTION)
    rest = b"\xc0\x0c\x00\x01\x00\x01\xff\xff\xff\xff\x00\x04\x01\x02\x03\x04"
    found = read_response(query, raw(query, 0x8180, (1, 0), rest), tcp=False)
    assert found == DnsAnswer(DnsStatus.OK, ("1.2.3.4",), 0.0)


def test_a_dot_in_a_label_is_no_border() -> None:
    query = make_query(DnsQuestion("a.b.example", RecordType.A))
    label = b"\x03a.b\x07example\x00"
    rest = label + b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04"
    found = read_response(query, raw(query, 0x8180, (1, 0), rest), tcp=False)
    assert isinstance(found, DnsAnswer)
    assert found.status is DnsStatus.NODATA


def test_an_error_without_its_question_is_a_failure() -> None:
    query = make_query(QUESTION)
    bare = query.wire[:2] + struct.pack("!HHHHH", 0x8182, 0, 0, 0, 0)
    assert read_response(query, bare, tcp=False) is Unusable.FAILED
    silent = query.wire[:2] + struct.pack("!HHHHH", 0x8180, 0, 0, 0, 0)
    assert read_response(query, silent, tcp=False) is Unusable.STRAY


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[A-Z0-9_-]{1,20}){0,4}", fullmatch=True))
def test_queries_read_as_another_library_reads_them(name: str) -> None:
    query = make_query(DnsQuestion(name, RecordType.TXT))
    message = dns.message.from_wire(query.wire)
    assert message.question[0].name.to_text(omit_final_dot=True) == name
    assert (message.question[0].rdtype, message.edns, message.payload) == (16, 0, 1232)
    assert query.name == name.lower()
