"""Received fields in the dialects of real servers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import Hop, parse_received

WHEN = "Fri, 1 Mar 2024 12:00:00 +0000"


def test_postfix() -> None:
    hop = parse_received(
        "from helo.test (rdns.test [192.0.2.1]) (using TLSv1.3 with cipher X (256/256 bits)) (No client "
        f"certificate requested) by mx.test (Postfix) with ESMTPS id ABC123 for <a@b.test>; {WHEN} (UTC)"
    )
    assert (hop.from_name, hop.helo, hop.rdns, str(hop.ip)) == (
        "helo.test",
        "helo.test",
        "rdns.test",
        "192.0.2.1",
    )
    assert (hop.by, hop.with_, hop.id, hop.for_) == ("mx.test", "ESMTPS", "ABC123", "a@b.test")
    assert hop.date == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert "using TLSv1.3 with cipher X (256/256 bits)" in hop.comments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Exim: the name is the reverse one, HELO stands in the comment
        (
            "from rdns.test ([192.0.2.1] helo=he.lo) by b.test",
            ("rdns.test", "he.lo", "rdns.test", "192.0.2.1"),
        ),
        ("from [192.0.2.1] (helo=he.lo) by b.test", ("192.0.2.1", "he.lo", "", "192.0.2.1")),
        ("from rdns.test ([192.0.2.1]) by b.test", ("rdns.test", "rdns.test", "", "192.0.2.1")),
        # qmail
        ("from unknown (HELO he.lo) (192.0.2.1) by b.test", ("unknown", "he.lo", "", "192.0.2.1")),
        (
            "from rdns.test (HELO he.lo) (user@192.0.2.1) by b.test",
            ("rdns.test", "he.lo", "", "192.0.2.1"),
        ),
        # Sendmail
        (
            "from he.lo (user@rdns.test [192.0.2.1]) by b.test",
            ("he.lo", "he.lo", "rdns.test", "192.0.2.1"),
        ),
        (
            "from he.lo (IDENT:u@rdns.test [192.0.2.1]) by b.test",
            ("he.lo", "he.lo", "rdns.test", "192.0.2.1"),
        ),
        ("(from user@localhost) by b.test", ("user@localhost", "user@localhost", "", "None")),
        # Exchange, Google
        (
            "from a.test (2001:db8::1) by b.test (2001:db8::2) with MS",
            ("a.test", "a.test", "", "2001:db8::1"),
        ),
        (
            "from a.test (a.test. [192.0.2.1]) by mx.google.com",
            ("a.test", "a.test", "a.test", "192.0.2.1"),
        ),
        (
            "from a.test (unknown [IPv6:2001:db8::1]) by b.test",
            ("a.test", "a.test", "", "2001:db8::1"),
        ),
        # without parentheses, with ports, without a blank
        ("from a.test [192.0.2.1] by b.test", ("a.test", "a.test", "", "192.0.2.1")),
        ("from [192.0.2.1]:1234 (helo x.test) by b.test", ("192.0.2.1", "x.test", "", "192.0.2.1")),
        ("from a.test (r.test[192.0.2.1]) by b.test", ("a.test", "a.test", "r.test", "192.0.2.1")),
        (
            "from a.test (r.test [::ffff:192.0.2.1]) by b.test",
            ("a.test", "a.test", "r.test", "192.0.2.1"),
        ),
        ("from 192.0.2.1 by b.test", ("192.0.2.1", "192.0.2.1", "", "192.0.2.1")),
        # numbers that are no addresses
        ("from a.test (version 1.2.3) by b.test", ("a.test", "a.test", "", "None")),
        ("from a.test (999.1.1.1) by b.test", ("a.test", "a.test", "", "None")),
        ("from a.test (x-192.0.2.1.isp.test) by b.test", ("a.test", "a.test", "", "None")),
        ("by b.test", ("", "", "", "None")),
    ],
)
def test_the_client(text: str, expected: tuple[str, str, str, str]) -> None:
    hop = parse_received(text)
    assert (hop.from_name, hop.helo, hop.rdns, str(hop.ip)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from a by b with esmtp id c for <d@e>", ("b", "esmtp", "c", "d@e")),
        ("FROM a BY b WITH esmtp ID c FOR d@e", ("b", "esmtp", "c", "d@e")),
        ("from a by b with ESMTP/TLS/AES id <c>", ("b", "ESMTP", "c", "")),
        ("from a by [192.0.2.2] via TCP with SMTP", ("192.0.2.2", "SMTP", "", "")),
        ("from a (b (nested) by wrong) by right", ("right", "", "", "")),
        ("from a by b (open comment with x", ("b", "", "", "")),
        ("from a by b ) with x", ("b", "x", "", "")),
        ("from by with id for", ("", "", "", "")),
        ("", ("", "", "", "")),
    ],
)
def test_clauses(text: str, expected: tuple[str, str, str, str]) -> None:
    hop = parse_received(text)
    assert (hop.by, hop.with_, hop.id, hop.for_) == expected


def test_the_date_is_behind_the_last_semicolon() -> None:
    assert parse_received(f"from a; b by c; {WHEN}").date == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert parse_received(f"; {WHEN}").date is not None
    assert parse_received("from a by b").date is None


def test_nothing_is_an_empty_hop() -> None:
    assert parse_received("") == Hop()


@given(
    st.lists(
        st.sampled_from(["from", "by", "(", ")", "[192.0.2.1]", "a.test", ";", "helo=x", ":", " "])
    )
)
def test_any_text_parses(words: list[str]) -> None:
    parse_received(" ".join(words))
    parse_received("".join(words))
