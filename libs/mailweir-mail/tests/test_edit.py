"""The header section as bytes: what is removed, what is added, and that nothing else moves."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import (
    claims_authserv_id,
    count_received,
    first_header,
    fold,
    header_block,
    prepend_headers,
    raw_fields,
    read_authserv_id,
    split_at,
    unfold,
    without_headers,
)

MAIL = (
    b"Received: from a by b;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"received : from c by d\r\n"
    b"Received-SPF: pass\r\n"
    b"X-Spam-Flag: NO\r\n"
    b"Authentication-Results: mx.example.com;\r\n spf=pass\r\n"
    b"Authentication-Results: other.example; spf=pass\r\n"
    b"Subject: =?utf-8?q?a=2C_b?=\r\n folded\r\n"
    b"\r\n"
    b"X-Spam-Flag: in the body\r\nReceived: too\r\n"
)

header_like = st.lists(
    st.sampled_from(
        [
            b"Received:",
            b"A",
            b"x-spam-a",
            b": ",
            b"v",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b"\0",
            b"\xff",
        ]
    ),
    max_size=40,
).map(b"".join)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", (0, 0)),
        (b"\r\nbody", (0, 2)),
        (b"\nbody", (0, 1)),
        (b"A: b", (4, 4)),
        (b"A: b\r\n", (6, 6)),
        (b"A: b\r\n\r\nbody", (6, 8)),
        (b"A: b\n\nbody", (5, 6)),
        (b"A: b\r\n\nbody", (6, 7)),
        (b"A: b\n\r\nbody\n\nmore", (5, 7)),
        (b"A: b\n\nbody\r\n\r\nmore", (5, 6)),
        (b"A: b\r\n \r\nC: d\r\n\r\n", (15, 17)),
    ],
)
def test_header_ends_at_the_first_empty_line(raw: bytes, expected: tuple[int, int]) -> None:
    assert split_at(raw) == expected
    assert header_block(raw) == raw[: expected[0]]


def test_received_is_counted_in_the_header_only() -> None:
    assert count_received(MAIL) == 2


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"", 0),
        (b"RECEIVED:a\n", 1),
        (b"A: b\n received: c\n", 0),
        (b"A: received:\nReceived\t: x\nReceived:y\n\nReceived: z\n", 2),
    ],
)
def test_received_counts(raw: bytes, count: int) -> None:
    assert count_received(raw) == count


def test_first_header_is_unfolded_and_not_decoded() -> None:
    assert first_header(MAIL, "subject") == b"=?utf-8?q?a=2C_b?= folded"
    assert first_header(MAIL, "received") == b"from a by b;\tMon, 1 Jan 2024 00:00:00 +0000"
    assert first_header(MAIL, "X-Absent") is None
    assert first_header(b"Subjects: a\r\nA: subject\r\n\r\n", "Subject") is None


def test_names_and_prefixes_are_removed_and_nothing_else() -> None:
    out = without_headers(MAIL, ["RECEIVED"], prefixes=["X-Spam-"])
    assert b"X-Spam-Flag: NO" not in out
    assert b"from a by b" not in out
    assert b"from c by d" not in out
    assert out.startswith(b"Received-SPF: pass\r\nAuthentication-Results: mx")
    assert out.endswith(MAIL[split_at(MAIL)[0] :])


def test_unchanged_mail_comes_back_itself() -> None:
    assert without_headers(MAIL, ["X-Mailweir-Id"], prefixes=["X-None-"]) is MAIL
    assert without_headers(MAIL, matching=lambda _n, _v: False) is MAIL


def test_only_our_authentication_results_go() -> None:
    out = without_headers(MAIL, matching=claims_authserv_id("MX.example.com"))
    assert b"Authentication-Results: mx" not in out
    assert b"Authentication-Results: other.example" in out


@pytest.mark.parametrize(
    ("value", "identifier"),
    [
        (b" mx.example.com; none", b"mx.example.com"),
        (b"\r\n\tmx.example.com 1; none", b"mx.example.com"),
        (b" (hidden (deeper) \\) ) mx.example.com; none", b"mx.example.com"),
        (b' "mx.\\example.com" ; none', b"mx.example.com"),
        (b" mx.example.com(x); none", b"mx.example.com"),
        (b"", None),
        (b" ; spf=pass", None),
        (b' "unclosed', None),
        (b" (unclosed mx.example.com; none", None),
        (b"(" * 100 + b"mx", None),
    ],
)
def test_authserv_id(value: bytes, identifier: bytes | None) -> None:
    assert read_authserv_id(value) == identifier
    ours = claims_authserv_id("mx.example.com")
    assert ours(b"authentication-results", value)
    assert not ours(b"arc-authentication-results", value)


def test_prepended_fields_come_first_and_in_order() -> None:
    out = prepend_headers(b"A: b\r\n\r\nbody", [("X-One", "1"), ("X-Two", "zwei ü")])
    assert out == "X-One: 1\r\nX-Two: zwei ü\r\nA: b\r\n\r\nbody".encode()


def test_line_ends_follow_the_mail() -> None:
    assert prepend_headers(b"A: b\n\nbody", [("X", "1")]) == b"X: 1\nA: b\n\nbody"
    assert prepend_headers(b"\nbody", [("X", "1")]) == b"X: 1\n\nbody"
    assert prepend_headers(b"", [("X", "1")]) == b"X: 1\r\n"


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nEvil: yes",
        "a\nEvil: yes",
        "a\rEvil: yes",
        "a\r\n\r\nEvil: yes",
        "a\0\x0bEvil: yes",
        "a\u2028Evil: yes",
    ],
)
def test_no_value_can_begin_a_field(value: str) -> None:
    out = prepend_headers(b"A: b\r\n\r\n", [("X", value)])
    assert first_header(out, "Evil") is None
    assert first_header(out, "A") == b"b"
    assert split_at(out)[1] == len(out)
    assert b"\0" not in out
    assert b"\r" not in out.replace(b"\r\n", b"")


def test_line_breaks_become_folds() -> None:
    assert (
        fold("X-Spam-Report", "\n* 1.0 ONE\n\n  * 2.0 TWO\n")
        == b"X-Spam-Report: * 1.0 ONE\r\n\t* 2.0 TWO\r\n"
    )


@pytest.mark.parametrize("name", ["", "A B", "A:", "Ä", "A\r\n", "A" * 77])
def test_a_bad_name_is_the_callers_mistake(name: str) -> None:
    with pytest.raises(ValueError, match="not a header field name"):
        fold(name, "x")


def test_long_values_are_folded_and_give_the_text_again() -> None:
    value = " ".join(f"word{n}" for n in range(200))
    out = fold("Subject", value)
    assert max(len(line) for line in out.split(b"\r\n")) <= 78
    assert unfold(out.partition(b":")[2]) == value.encode()


def test_a_word_longer_than_a_line_is_cut_between_characters() -> None:
    out = fold("X", "ü" * 3000)
    lines = out.rstrip(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert all(line.decode() for line in lines)
    assert b"".join(line.strip(b" ") for line in lines) == b"X: " + "ü".encode() * 3000


@given(header_like)
def test_fields_joined_are_the_block(raw: bytes) -> None:
    block = header_block(raw)
    assert b"".join(raw_fields(block)) == block


@given(header_like, st.text(max_size=300))
def test_prepending_keeps_the_mail_byte_for_byte(raw: bytes, value: str) -> None:
    out = prepend_headers(raw, [("X-One", value)])
    assert out.endswith(raw)
    added = out[: len(out) - len(raw)]
    assert len(raw_fields(added)) == 1
    assert split_at(added) == (len(added), len(added))
    assert max(map(len, added.split(b"\n"))) <= 999


@given(header_like)
def test_removing_keeps_everything_else(raw: bytes) -> None:
    out = without_headers(raw, ["received"], prefixes=["x-spam-"])
    end = split_at(raw)[0]
    assert out.endswith(raw[end:])
    kept = [
        f
        for f in raw_fields(raw[:end])
        if not f.strip(b" \t").lower().startswith((b"received", b"x-spam-"))
    ]
    assert all(field in out for field in kept)
    assert first_header(out, "x-spam-a") is None or first_header(raw, "x-spam-a") is None
    assert count_received(out) == 0


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=400))
def test_unfolding_gives_the_value_again(value: str) -> None:
    out = fold("Subject", value)
    assert unfold(out.partition(b":")[2]) == value.strip(" \t").encode()
