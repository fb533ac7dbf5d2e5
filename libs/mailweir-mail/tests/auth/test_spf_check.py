"""check_host() of RFC 7208: limits, what is asked, and records that mean harm."""

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.asking import drive
from mailweir_mail.auth.spf import SpfResult, SpfStatus, check_host, check_sender
from mailweir_testkit.zones import Zones

IP = "192.0.2.1"
A = {"A": ["192.0.2.1"]}
OTHER = {"A": ["192.0.2.99"]}


def check(table: dict[str, Any], ip: str = IP, sender: str = "u@example.com") -> SpfResult:
    return drive(check_sender(ip, sender, "helo.example.com"), Zones(table).answer)


def record(text: str, **more: Any) -> SpfResult:
    return check({"example.com": {"TXT": [text]}, **more})


def test_the_result_says_what_matched_and_what_it_took() -> None:
    found = record(
        "v=spf1 include:a.example ~all", **{"a.example": {"TXT": ["v=spf1 ip4:192.0.2.0/24"]}}
    )
    assert found == SpfResult(SpfStatus.PASS, "example.com", "include:a.example", lookups=1)


def test_a_redirect_says_whose_record_decided() -> None:
    found = record("v=spf1 redirect=a.example", **{"a.example": {"TXT": ["v=spf1 -all"]}})
    assert (found.result, found.domain, found.mechanism) == (SpfStatus.FAIL, "example.com", "-all")
    assert "a.example" in found.detail


@pytest.mark.parametrize("sender", ["", "u@[192.0.2.1]", "u@localhost", "u@a..b", "u@" + "a" * 300])
def test_what_has_no_domain_has_no_result(sender: str) -> None:
    zones = Zones({})
    found = drive(check_host(IP, sender.rpartition("@")[2], sender, "h"), zones.answer)
    assert found.result is SpfStatus.NONE
    assert zones.asked == []


def test_an_address_that_is_none_has_no_result() -> None:
    assert check({}, ip="client").result is SpfStatus.NONE


def test_the_null_sender_is_the_postmaster_of_the_helo_name() -> None:
    found = check({"helo.example.com": {"TXT": ["v=spf1 -all exp=e.example.com"]},
                   "e.example.com": {"TXT": ["%{s}"]}}, sender="")  # fmt: skip
    assert (found.result, found.explanation) == (SpfStatus.FAIL, "postmaster@helo.example.com")


def test_a_mapped_address_is_an_ipv4_one() -> None:
    table = {"example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}
    assert check(table, ip="::ffff:192.0.2.1").result is SpfStatus.PASS


def test_an_internationalised_domain_is_asked_for_in_a_labels() -> None:
    table = {"xn--bcher-kva.example": {"TXT": ["v=spf1 a:%{d} -all"], "A": [IP]}}
    found = check(table, sender="u@Bücher.example")
    assert (found.result, found.domain) == (SpfStatus.PASS, "xn--bcher-kva.example")


def test_a_local_part_beyond_ascii_matches_no_macro() -> None:
    # RFC 8616 §4
    table = {"example.com": {"TXT": ["v=spf1 exists:%{l}.example.com ?all"]}}
    assert check(table, sender="jürgen@example.com").mechanism == "?all"


# -- the limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terms", "result"), [(10, SpfStatus.PASS), (11, SpfStatus.PERMERROR)])
def test_ten_terms_may_ask(terms: int, result: SpfStatus) -> None:
    found = record("v=spf1 " + "a:b.example.com " * (terms - 1) + "a:c.example.com -all",
                   **{"b.example.com": OTHER, "c.example.com": A})  # fmt: skip
    assert found.result is result
    assert found.lookups == terms


@pytest.mark.parametrize(("void", "result"), [(2, SpfStatus.FAIL), (3, SpfStatus.PERMERROR)])
def test_two_questions_may_have_no_answer(void: int, result: SpfStatus) -> None:
    terms = " ".join(f"exists:v{n}.example.com" for n in range(void))
    assert record(f"v=spf1 {terms} -all").result is result


def test_a_client_without_a_name_counts_for_each_ptr_but_not_for_a_macro() -> None:
    assert record("v=spf1 ptr ptr exists:%{p}.example.com -all").result is SpfStatus.PERMERROR
    assert record("v=spf1 ptr ptr -all exp=%{p}.example.com").result is SpfStatus.FAIL
    # names that do not lead back are the client's doing, and do not count
    table = {"1.2.0.192.in-addr.arpa": {"PTR": [f"n{n}.example" for n in range(5)]}}
    assert record("v=spf1 ptr ptr ptr -all", **table).result is SpfStatus.FAIL


def test_void_questions_of_mx_hosts_count_only_up_to_the_one_that_matches() -> None:
    hosts = [f"{n} v{n}.example.com" for n in range(2)] + ["5 ok.example.com", "6 w.example.com"]
    table = {"example.com": {"TXT": ["v=spf1 mx -all"], "MX": hosts}, "ok.example.com": A}
    assert check(table).result is SpfStatus.PASS
    del table["ok.example.com"]
    assert check(table).result is SpfStatus.PERMERROR


def test_a_failure_behind_the_host_that_matches_does_not_matter() -> None:
    hosts = ["1 ok.example.com", "2 slow.example.com"]
    table = {"example.com": {"TXT": ["v=spf1 mx -all"], "MX": hosts}, "ok.example.com": A,
             "slow.example.com": "TIMEOUT"}  # fmt: skip
    assert check(table).result is SpfStatus.PASS
    table["ok.example.com"] = OTHER
    assert check(table).result is SpfStatus.TEMPERROR


def test_the_hosts_of_an_mx_are_asked_for_in_one_round() -> None:
    hosts = [f"{n} m{n}.example.com" for n in range(10)]
    table: dict[str, Any] = {f"m{n}.example.com": OTHER for n in range(10)}
    table["example.com"] = {"TXT": ["v=spf1 mx -all"], "MX": hosts}
    zones = Zones(table)
    assert drive(check_sender(IP, "u@example.com", "h"), zones.answer).result is SpfStatus.FAIL
    assert (zones.rounds, len(zones.asked)) == (3, 12)


def test_the_client_s_names_are_asked_for_once() -> None:
    table = {
        "example.com": {"TXT": ["v=spf1 ptr:a.example ptr:b.example exists:%{p}.c.example -all"]},
        "1.2.0.192.in-addr.arpa": {"PTR": ["x.example."]},
        "x.example": A,
    }
    zones = Zones(table)
    assert drive(check_sender(IP, "u@example.com", "h"), zones.answer).result is SpfStatus.FAIL
    assert zones.count("1.2.0.192.in-addr.arpa", "PTR") == 1
    assert zones.count("x.example.c.example", "A") == 1


@pytest.mark.parametrize("loop", ["redirect=example.com", "include:example.com"])
def test_loops_end(loop: str) -> None:
    found = record(f"v=spf1 {loop}")
    assert (found.result, found.lookups) == (SpfStatus.PERMERROR, 11)


# -- explanations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "explanation"),
    [
        (["see %{d}"], "see example.com"),
        (["a", "b"], ""),
        ([], ""),
        (["broken %{"], ""),
        (["caf\xe9"], ""),
        (["line\r\nX-Spam: no"], ""),
        (["x" * 3000], ""),
    ],
)
def test_explanations(texts: list[str], explanation: str) -> None:
    found = record("v=spf1 -all exp=e.example.com", **{"e.example.com": {"TXT": texts}})
    assert (found.result, found.explanation) == (SpfStatus.FAIL, explanation)


def test_an_explanation_is_bounded_after_its_macros_too() -> None:
    found = record("v=spf1 -all exp=e.example.com", **{"e.example.com": {"TXT": ["%{s}" * 500]}})
    assert len(found.explanation) == 2048


# -- harm ----------------------------------------------------------------------------------------------------


@given(st.lists(st.text(alphabet=st.characters(max_codepoint=255), max_size=120), max_size=3))
def test_no_record_raises(terms: list[str]) -> None:
    found = record("v=spf1 " + " ".join(terms))
    assert isinstance(found.result, SpfStatus)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=30))
def test_no_sender_raises(sender: str, helo: str, ip: str) -> None:
    table = {
        "example.com": {
            "TXT": ["v=spf1 exists:%{s}.%{h}.%{p}.example.com -all exp=%{l}.example.com"]
        }
    }
    for address in (ip, IP):
        asking = check_host(address, "example.com", sender, helo)
        assert isinstance(drive(asking, Zones(table).answer).result, SpfStatus)


@pytest.mark.parametrize(
    "unit",
    [
        "ip4:192.0.2.9 ",
        "x=%{d} ",
        "exists:%{d} ",
        "a:%%",
        "a" * 9 + ".",
        "a/",
        "%{l}",
        "x=y=",
        ":",
        " ",
    ],
)
def test_the_time_of_a_record_grows_with_its_length_only(unit: str) -> None:
    def seconds(count: int) -> float:
        text = "v=spf1 a:" + unit * (count // len(unit))
        start = time.process_time()
        record(text)
        return time.process_time() - start

    assert min(seconds(16_000 + n) for n in range(2)) < 0.25


def test_ten_long_records_take_bounded_time() -> None:
    table: dict[str, Any] = {
        f"r{n}.example": {"TXT": [f"v=spf1 {'ip4:10.9.8.7 ' * 1200}include:r{n + 1}.example -all"]}
        for n in range(12)
    }
    start = time.process_time()
    found = check(table, sender="u@r0.example")
    assert found.result is SpfStatus.PERMERROR
    assert time.process_time() - start < 2.0
