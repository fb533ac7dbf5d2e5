"""Authentication-Results both ways (RFC 8601)."""

import time

import pytest
from hypothesis import given, strategies as st

from mailweir_core.net import parse_ip
from mailweir_mail import claims_authserv_id, fold
from mailweir_mail.auth.arc import ArcResult, ArcStatus
from mailweir_mail.auth.dkim import DkimResult, DkimStatus
from mailweir_mail.auth.dmarc import DmarcRecord, DmarcResult, DmarcStatus, Policy
from mailweir_mail.auth.iprev import IprevResult, IprevStatus
from mailweir_mail.auth.results import (
    AuthResults,
    MethodResult,
    Property,
    arc_entry,
    auth_entry,
    dkim_entry,
    dmarc_entry,
    field_value,
    iprev_entry,
    parse_results,
    spf_entry,
)
from mailweir_mail.auth.results.parse import MAX_FIELD, MAX_PROPERTIES, MAX_RESULTS
from mailweir_mail.auth.spf import SpfResult, SpfStatus

ID = "mx.example.com"


def written(*results: MethodResult) -> str:
    return field_value(AuthResults(ID, results)).partition(";\n")[2]


def read(value: str | bytes) -> AuthResults:
    found = parse_results(value)
    assert found is not None
    return found


# -- writing -----------------------------------------------------------------------------------------------


def test_nothing_checked_says_none() -> None:
    assert field_value(AuthResults(ID)) == "mx.example.com; none"


def test_what_we_found() -> None:
    ip = parse_ip("2001:db8::1")
    assert ip is not None
    reject = DmarcRecord(Policy.REJECT, Policy.REJECT, Policy.REJECT)
    lines = written(
        spf_entry(SpfResult(SpfStatus.PASS, "example.org"), "u@example.org", "h.example.org"),
        spf_entry(SpfResult(SpfStatus.NONE, "h.example.org"), "", "h.example.org"),
        dkim_entry(
            DkimResult(
                DkimStatus.PASS, "example.org", "s1", algorithm="rsa-sha256", header_b="aB/+c=d1"
            )
        ),
        dkim_entry(DkimResult(DkimStatus.PERMERROR, detail="no such key (s1)")),
        dmarc_entry(
            DmarcResult(
                DmarcStatus.FAIL, "example.org", "example.org", reject, Policy.REJECT, Policy.REJECT
            )
        ),
        dmarc_entry(DmarcResult(DmarcStatus.PERMERROR, problem="several_fields")),
        arc_entry(ArcResult(ArcStatus.PASS, 2)),
        iprev_entry(IprevResult(IprevStatus.PASS, ("h.example.org",)), ip),
        auth_entry("user@example.com"),
    )
    assert lines.split(";\n") == [
        "spf=pass smtp.mailfrom=u@example.org",
        "spf=none smtp.helo=h.example.org",
        'dkim=pass header.d=example.org header.s=s1 header.a=rsa-sha256 header.b="aB/+c=d1"',
        r"dkim=permerror (no such key \(s1\))",
        "dmarc=fail (p=reject dis=reject) header.from=example.org",
        "dmarc=permerror reason=several_fields",
        "arc=pass header.oldest-pass=0",
        'iprev=pass (h.example.org) policy.iprev="2001:db8::1"',
        "auth=pass smtp.auth=user@example.com",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "u@example.org",
        '"odd local"@example.org',
        'a"b\\c',
        "x; dkim=pass header.d=bank.example",
        "(comment)",
        "",
        "jürgen@bücher.example",
        "a/b=c",
        "2001:db8::1",
    ],
)
def test_a_value_comes_back_as_it_was(value: str) -> None:
    result = MethodResult("spf", "pass", (Property("smtp", "mailfrom", value),), reason=value)
    (found,) = read(f"{ID}; {written(result)}").results
    assert found.reason == value
    assert found.properties == result.properties


@given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=100))
def test_no_value_can_be_taken_for_a_result(value: str, comment: str, reason: str) -> None:
    mine = MethodResult("spf", "fail", (Property("smtp", "mailfrom", value),), reason, comment)
    last = MethodResult("dkim", "none")
    shown = field_value(AuthResults(ID, (mine, last)))
    assert not set(shown.replace(";\n", "")) & set("\r\n\x00\u2028\x85")
    header = fold("Authentication-Results", shown)
    found = read(header.partition(b":")[2])
    assert [(r.method, r.result) for r in found.results] == [("spf", "fail"), ("dkim", "none")]
    assert [(p.ptype, p.name) for p in found.results[0].properties] == [("smtp", "mailfrom")]
    assert claims_authserv_id(ID)(b"authentication-results", header.partition(b":")[2])


def test_a_name_of_a_method_is_what_it_may_be() -> None:
    assert written(MethodResult("x; y", "pa ss")) == "xy=pass"
    assert written(MethodResult("", "")) == "unknown=unknown"


# -- reading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "methods"),
    [
        ("a.example; none", []),
        ("a.example 1; none", []),
        ("a.example;spf=pass", ["spf=pass"]),
        ("a.example; SPF/1 = Pass (x) smtp.mailfrom = b@c.example", ["spf=pass"]),
        ("a.example; dkim=pass header.d=c.example; dkim=fail header.d=d.example", ["dkim=pass", "dkim=fail"]),
        ("a.example; x; ; =; spf=pass", ["spf=pass"]),
        ("a.example;\r\n\tspf=pass;\r\n\tdkim=none", ["spf=pass", "dkim=none"]),
        ("(c;c=c) a.example (;) ; spf=pass (a;dkim=pass)", ["spf=pass"]),
        ('a.example; spf=pass reason="; dkim=pass"', ["spf=pass"]),
        ('a.example; spf=pass reason="; dkim=pass', ["spf=pass"]),
        ("a.example; spf=pass (; dkim=pass", ["spf=pass"]),
        (r"a.example; spf=pass (\); dkim=pass)", ["spf=pass"]),
        ("a.example", []),
    ],
)  # fmt: skip
def test_results(value: str, methods: list[str]) -> None:
    found = read(value)
    assert found.authserv_id == "a.example"
    assert [f"{r.method}={r.result}" for r in found.results] == methods


def test_everything_of_one_result() -> None:
    (found,) = read(
        'a.example 1; dkim/2=fail (bad (very) sig) reason="no \\"luck\\"" odd=1 Header.D=c.example'
        ' header.b="x/y=" smtp . mailfrom = "q; r"@c.example policy.x=""'
    ).results
    assert found == MethodResult(
        "dkim",
        "fail",
        (
            Property("header", "d", "c.example"),
            Property("header", "b", "x/y="),
            Property("smtp", "mailfrom", '"q; r"@c.example'),
            Property("policy", "x", ""),
        ),
        'no "luck"',
        "bad (very) sig",
        "2",
    )
    assert found.get("header", "b") == "x/y="
    assert found.get("header", "i") == ""


@pytest.mark.parametrize("value", ["", "   ", "(only a comment)", "; spf=pass", '"unclosed', "=("])
def test_without_an_identifier_nothing_is_believed(value: str) -> None:
    found = parse_results(value)
    assert found is None or found.results == ()


def test_a_field_of_many_results_is_read_in_part_and_says_so() -> None:
    found = read("a.example" + "; spf=pass" * (MAX_RESULTS + 1))
    assert (len(found.results), found.complete) == (MAX_RESULTS, False)
    found = read("a.example; spf=pass" + " smtp.x=y" * (MAX_PROPERTIES + 9))
    assert len(found.results[0].properties) == MAX_PROPERTIES
    assert not read("a.example; spf=pass (" + "x" * MAX_FIELD).complete
    assert read("a.example; spf=pass").complete


@given(st.binary(max_size=300))
def test_no_octets_raise(value: bytes) -> None:
    parse_results(value)
    parse_results(b"a.example; spf=pass " + value)


@given(st.text(alphabet='();="\\ ./ab\r\n\t', max_size=120))
def test_no_marks_raise(text: str) -> None:
    parse_results("a.example; " + text)


@pytest.mark.parametrize(
    "unit", ["(", ")", '"', "\\", "; ", "a", "a.", "a=", 'a="', " ", "a ", "(a) ", "(\\", ";a=b "]
)
def test_the_time_grows_with_the_length_only(unit: str) -> None:
    def cost(size: int) -> float:
        value = "a.example; spf=pass " + unit * (size // len(unit))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            parse_results(value)
            best = min(best, time.process_time() - start)
        return best

    # eight times as long: eight times the time, where it is quadratic sixty-four times
    assert cost(MAX_FIELD) < 24 * max(cost(MAX_FIELD // 8), 1e-4)
