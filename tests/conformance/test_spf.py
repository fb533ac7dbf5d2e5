"""SPF on the openspf.org suites: every case of RFC 7208, and of RFC 4408 before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from mailweir_core.asking import drive
from mailweir_core.dns import RecordType
from mailweir_mail.auth.spf import SpfResult, check_sender
from mailweir_testkit import shared
from mailweir_testkit.zones import Zones

pytestmark = pytest.mark.conformance
RECEIVER = "receiver.example.net"


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a suite: what to ask, and every result that it allows."""

    name: str
    ip: str
    helo: str
    mail_from: str
    results: tuple[str, ...]
    explanation: str | None
    zone: dict[str, Any]


def cases(file: str) -> list[Case]:
    """Read a suite; skips the test where it is absent."""
    suite = shared.peers_dir("spf-rfc7208")
    if suite is None:
        pytest.skip(shared.ABSENT)
    found = []
    for document in yaml.safe_load_all((suite / file).read_text(encoding="utf-8")):
        zone = {name: _types(records) for name, records in document["zonedata"].items()}
        found.extend(_case(name, test, zone) for name, test in document["tests"].items())
    return found


def _case(name: str, test: dict[str, Any], zone: dict[str, Any]) -> Case:
    results = test["result"]
    return Case(
        name,
        test["host"],
        test["helo"],
        test["mailfrom"],
        (results,) if isinstance(results, str) else tuple(results),
        test.get("explanation"),
        zone,
    )


def _types(records: list[Any]) -> dict[str, Any]:
    """Return records by type: SPF stands for TXT where that is absent, TIMEOUT for all that is."""
    types: dict[str, Any] = {}
    for kind, value in _pairs(records):
        types.setdefault(kind, []).append(value)
    spf = types.pop("SPF", [])
    if "TXT" not in types:
        types["TXT"] = spf
    elif types["TXT"] == ["NONE"]:
        del types["TXT"]
    held = {kind: values for kind, values in types.items() if values}
    if "TIMEOUT" in records:
        return {kind: held.get(kind, "TIMEOUT") for kind in RecordType}
    return held


def _pairs(records: list[Any]) -> Iterator[tuple[str, Any]]:
    for record in records:
        if record == "TIMEOUT":
            continue
        ((kind, value),) = record.items()
        if kind == "MX":
            yield kind, f"{value[0]} {value[1]}"
        else:
            yield kind, tuple(value) if isinstance(value, list) else value


def check(case: Case) -> SpfResult:
    asking = check_sender(case.ip, case.mail_from, case.helo, receiver=RECEIVER)
    return drive(asking, Zones(case.zone).answer)


def difference(case: Case) -> str:
    """Return in what we differ from a case, or the empty string."""
    found = check(case)
    if found.result not in case.results:
        return f"{found.result} for {'/'.join(case.results)} ({found.detail})"
    wanted = "" if case.explanation == "DEFAULT" else case.explanation
    if wanted is not None and found.result == "fail" and found.explanation != wanted:
        return f"explanation {found.explanation!r} for {wanted!r}"
    return ""


def test_every_case_of_rfc_7208() -> None:
    suite = cases("rfc7208-tests.yml")
    assert len(suite) == 203
    assert {case.name: why for case in suite if (why := difference(case))} == {}


def test_every_case_of_rfc_4408() -> None:
    # none differs: where RFC 7208 decided otherwise, this release of the older suite allows its result too
    suite = cases("rfc4408-tests.yml")
    assert len(suite) == 191
    assert {case.name: why for case in suite if (why := difference(case))} == {}


def test_where_several_results_are_allowed_ours_stay_the_same() -> None:
    suite = cases("rfc7208-tests.yml")
    assert {c.name: str(check(c).result) for c in suite if len(c.results) > 1} == {
        # §4.8: a name that DNS cannot be asked for matches nothing
        "invalid-domain-empty-label": "fail",
        "invalid-domain-long": "fail",
        "invalid-domain-long-via-macro": "fail",
        "multispf1": "permerror",  # the test's DNS does not join equal records
        "p-macro-multiple": "pass",  # §7.3: a name below the domain is preferred
        "ptr-limit": "neutral",  # the eleventh name is not looked at
    }
