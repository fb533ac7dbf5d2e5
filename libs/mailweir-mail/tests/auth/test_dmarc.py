"""DMARC: discovery, alignment, what follows, the author of a message, and rows of reports (RFC 7489 §6.6)."""

from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_core.net import parse_ip
from mailweir_mail import Headers
from mailweir_mail.auth.dkim import DkimResult, DkimStatus
from mailweir_mail.auth.dmarc import (
    Author,
    DmarcResult,
    DmarcStatus,
    FromProblem,
    Policy,
    author_of,
    evaluate,
    evaluate_author,
    report_row,
)
from mailweir_mail.auth.dmarc.author import MAX_DOMAINS
from mailweir_mail.auth.spf import SpfResult, SpfStatus
from mailweir_testkit.zones import Zones

PASS, FAIL, NONE = DmarcStatus.PASS, DmarcStatus.FAIL, DmarcStatus.NONE
REJECT = {"TXT": ["v=DMARC1; p=reject; sp=quarantine"]}


def spf(domain: str, result: SpfStatus = SpfStatus.PASS) -> SpfResult:
    return SpfResult(result, domain)


def dkim(domain: str, result: DkimStatus = DkimStatus.PASS) -> DkimResult:
    return DkimResult(result, domain, "s1")


def judge(
    domain: str, table: dict[str, Any], *auth: SpfResult | DkimResult, sample: int = 0
) -> DmarcResult:
    sent = next((one for one in auth if isinstance(one, SpfResult)), None)
    signed = [one for one in auth if isinstance(one, DkimResult)]
    return drive(evaluate(domain, sent, signed, sample=sample), Zones(table).answer)


@pytest.mark.parametrize(
    ("auth", "result", "aligned"),
    [
        ([spf("example.com")], PASS, True),
        ([spf("mail.example.com")], PASS, True),
        ([spf("example.org")], FAIL, False),
        ([spf("example.com", SpfStatus.SOFTFAIL)], FAIL, False),
        ([spf("example.org"), dkim("news.example.com")], PASS, True),
        ([dkim("example.org"), dkim("example.com")], PASS, True),
        ([dkim("example.com", DkimStatus.FAIL)], FAIL, False),
        ([dkim("example.com", DkimStatus.POLICY)], FAIL, False),
        ([], FAIL, False),
        # a failure that may pass later decides nothing; one that is not aligned could not have helped
        ([dkim("example.com", DkimStatus.TEMPERROR)], DmarcStatus.TEMPERROR, False),
        ([spf("example.com", SpfStatus.TEMPERROR)], DmarcStatus.TEMPERROR, False),
        ([spf("example.org", SpfStatus.TEMPERROR)], FAIL, False),
        ([spf("example.com", SpfStatus.TEMPERROR), dkim("example.com")], PASS, True),
    ],
)
def test_results(auth: list[SpfResult | DkimResult], result: DmarcStatus, aligned: bool) -> None:
    found = judge("example.com", {"_dmarc.example.com": REJECT}, *auth)
    assert (found.result, found.aligned) == (result, aligned)
    assert found.disposition is (Policy.REJECT if result is FAIL else Policy.NONE)


@pytest.mark.parametrize(
    ("tags", "auth", "result"),
    [
        ("aspf=s", spf("mail.example.com"), FAIL),
        ("aspf=s", spf("example.com"), PASS),
        ("adkim=s", dkim("mail.example.com"), FAIL),
        ("adkim=s", spf("mail.example.com"), PASS),
    ],
)
def test_strict_alignment(tags: str, auth: SpfResult | DkimResult, result: DmarcStatus) -> None:
    table = {"_dmarc.example.com": {"TXT": [f"v=DMARC1; p=reject; {tags}"]}}
    assert judge("example.com", table, auth).result is result


def test_owners_below_a_public_suffix_are_not_aligned() -> None:
    table = {"_dmarc.a.co.uk": REJECT, "_dmarc.me.github.io": REJECT}
    assert judge("a.co.uk", table, spf("b.co.uk")).result is FAIL
    assert judge("me.github.io", table, dkim("you.github.io")).result is FAIL


def test_a_domain_without_a_record_has_no_result_but_is_aligned() -> None:
    found = judge("example.com", {}, spf("mail.example.com"))
    assert (found.result, found.aligned_spf) == (NONE, "mail.example.com")


# -- discovery ---------------------------------------------------------------------------------------------


def test_a_subdomain_has_the_policy_of_its_owner() -> None:
    found = judge(
        "a.b.example.com", {"_dmarc.example.com": REJECT, "a.b.example.com": {"A": ["::"]}}
    )
    assert (found.policy_domain, found.policy) == ("example.com", Policy.QUARANTINE)
    assert found.disposition is Policy.QUARANTINE


def test_its_own_record_comes_first_and_both_are_asked_for_at_once() -> None:
    table = {"_dmarc.a.example.com": {"TXT": ["v=DMARC1; p=none"]}, "_dmarc.example.com": REJECT}
    zones = Zones(table)
    found = drive(evaluate("a.example.com", None, ()), zones.answer)
    assert (found.result, found.policy, zones.rounds) == (FAIL, Policy.NONE, 1)


def test_names_in_between_are_not_asked() -> None:
    zones = Zones({})
    drive(evaluate("a.b.c.example.com", None, ()), zones.answer)
    assert {q.name for q in zones.asked} == {"_dmarc.a.b.c.example.com", "_dmarc.example.com"}


@pytest.mark.parametrize(
    ("more", "policy"),
    [
        ({}, Policy.REJECT),
        ({"x.example.com": {"MX": ["0 m.example.com"]}}, Policy.NONE),
        ({"x.example.com": "TIMEOUT"}, Policy.NONE),
    ],
)
def test_the_policy_for_names_that_do_not_exist(more: dict[str, Any], policy: Policy) -> None:
    table = {"_dmarc.example.com": {"TXT": ["v=DMARC1; p=none; np=reject"]}, **more}
    assert judge("x.example.com", table).disposition is policy


@pytest.mark.parametrize(
    ("records", "result"),
    [
        (["v=DMARC1; p=reject", "v=DMARC1; p=none"], NONE),
        (["other", "v=DMARC1; p=reject"], FAIL),
        (["v=DMARC1; p=odd"], NONE),
        (["v=spf1 -all"], NONE),
    ],
)
def test_records_at_one_name(records: list[str], result: DmarcStatus) -> None:
    assert judge("example.com", {"_dmarc.example.com": {"TXT": records}}).result is result


def test_a_look_up_that_fails_is_no_result_and_no_way_out() -> None:
    table = {"_dmarc.a.example.com": "TIMEOUT", "_dmarc.example.com": REJECT}
    found = judge("a.example.com", table)
    assert (found.result, found.disposition) == (DmarcStatus.TEMPERROR, Policy.NONE)
    assert "timeout" in found.detail


@pytest.mark.parametrize(
    "domain", ["", "a..b", "a" * 300, "x" * 63 + "." + "y" * 63 + ".example.com"]
)
def test_odd_domains(domain: str) -> None:
    assert judge(domain, {}).result in (NONE, DmarcStatus.PERMERROR)


# -- share and testing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "sample", "disposition", "out"),
    [
        ("p=reject; pct=30", 29, Policy.REJECT, False),
        ("p=reject; pct=30", 30, Policy.QUARANTINE, True),
        ("p=quarantine; pct=0", 0, Policy.NONE, True),
        ("p=none; pct=0", 99, Policy.NONE, True),
        ("p=reject; t=y", 0, Policy.QUARANTINE, False),
        ("p=reject; t=y; pct=0", 50, Policy.QUARANTINE, True),
    ],
)
def test_outside_the_sample_the_next_weaker_policy_holds(
    tags: str, sample: int, disposition: Policy, out: bool
) -> None:
    table = {"_dmarc.example.com": {"TXT": [f"v=DMARC1; {tags}"]}}
    found = judge("example.com", table, sample=sample)
    assert (found.disposition, found.sampled_out) == (disposition, out)


# -- the author --------------------------------------------------------------------------------------------


def author(*lines: str) -> Author:
    return author_of(Headers("".join(f"{line}\r\n" for line in lines).encode()))


@pytest.mark.parametrize(
    ("lines", "domain", "problem"),
    [
        (["From: A <a@Example.com>"], "example.com", None),
        (["From: a@example.com, b@EXAMPLE.com"], "example.com", None),
        (['From: "x@other.example" <a@example.com>'], "example.com", None),
        (["From: a@bücher.example"], "xn--bcher-kva.example", None),
        (["From: a@example.com, b@example.org"], "", FromProblem.SEVERAL_DOMAINS),
        (["From: a@example.com", "From: a@example.com"], "", FromProblem.SEVERAL_FIELDS),
        (["From: a@example.com", "FROM : b@example.org"], "", FromProblem.SEVERAL_FIELDS),
        (["From: nobody"], "", FromProblem.NO_DOMAIN),
        (["From: a@example.com, nobody"], "", FromProblem.NO_DOMAIN),
        (["From: a@b..c"], "", FromProblem.NO_DOMAIN),
        (["From:"], "", FromProblem.NO_DOMAIN),
        (["From: undisclosed:;"], "", FromProblem.NO_DOMAIN),
        (["To: a@example.com"], "", FromProblem.MISSING),
    ],
)
def test_authors(lines: list[str], domain: str, problem: FromProblem | None) -> None:
    found = author(*lines)
    assert (found.domain, found.problem) == (domain, problem)


def test_several_authors_never_pass_and_the_strictest_policy_holds() -> None:
    table = {"_dmarc.example.com": REJECT, "_dmarc.example.org": {"TXT": ["v=DMARC1; p=none"]}}
    found = author("From: a@example.org, b@example.com")
    asking = evaluate_author(found, spf("example.org"), [dkim("example.org")])
    result = drive(asking, Zones(table).answer)
    assert (result.result, result.problem) == (DmarcStatus.PERMERROR, "several_domains")
    assert (result.domain, result.disposition) == ("example.com", Policy.REJECT)
    assert not result.aligned


def test_the_domains_of_a_from_header_are_limited() -> None:
    found = author("From: " + ", ".join(f"a@d{n}.example" for n in range(40)))
    assert len(found.domains) == MAX_DOMAINS
    zones = Zones({})
    result = drive(evaluate_author(found, None, ()), zones.answer)
    assert (result.result, zones.rounds) == (DmarcStatus.PERMERROR, 1)
    assert len(zones.asked) == MAX_DOMAINS


def test_no_author_at_all() -> None:
    result = drive(evaluate_author(author("Subject: x"), None, ()), Zones({}).answer)
    assert (result.result, result.problem) == (DmarcStatus.PERMERROR, "missing")


# -- reports -----------------------------------------------------------------------------------------------


def test_a_row_of_a_report() -> None:
    table = {"_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject; pct=0; rua=mailto:r@example.com"]}}
    signed = [dkim("example.org"), DkimResult(DkimStatus.PERMERROR)]
    sent = spf("bounce.example.org")
    result = drive(evaluate("a.example.com", sent, signed), Zones(table).answer)
    ip = parse_ip("192.0.2.1")
    assert ip is not None
    row = report_row(ip, "bounce.example.org", result, sent, signed)
    assert row is not None
    assert (row.source_ip, row.disposition, row.reason) == (
        "192.0.2.1",
        Policy.QUARANTINE,
        "sampled_out",
    )
    assert (row.spf, row.dkim, row.header_from) == ("fail", "fail", "a.example.com")
    assert [(d.domain, d.result) for d in row.auth_dkim] == [("example.org", "pass")]
    assert (row.auth_spf_domain, row.auth_spf_result) == ("bounce.example.org", "pass")
    assert (row.policy_domain, row.p, row.pct) == ("example.com", Policy.REJECT, 0)
    assert row.rua == ("mailto:r@example.com",)
    assert {row: 1}[row] == 1  # rows can be counted


def test_without_a_policy_or_a_result_there_is_no_row() -> None:
    ip = parse_ip("192.0.2.1")
    assert ip is not None
    assert report_row(ip, "", judge("example.com", {}), None, ()) is None
    late = judge(
        "example.com", {"_dmarc.example.com": REJECT}, spf("example.com", SpfStatus.TEMPERROR)
    )
    assert report_row(ip, "", late, None, ()) is None
