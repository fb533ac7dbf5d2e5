"""The ARC chains of another project's suite: each is judged as it says (RFC 8617)."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mailweir_core.asking import drive
from mailweir_mail.auth.arc import ArcStatus, validate
from mailweir_testkit import shared
from mailweir_testkit.zones import Zones

pytestmark = pytest.mark.conformance
FILE = Path("tests", "arc-draft-validation-tests.yml")
CASES = 171
NOW = 1_500_000_000.0
# The suite leaves it empty where the last sealer says cv=fail itself; RFC 8617 §5.2 knows what that is.
EXPECTED = {
    "none": ArcStatus.NONE,
    "pass": ArcStatus.PASS,
    "fail": ArcStatus.FAIL,
    "": ArcStatus.FAIL,
}


class Case(NamedTuple):
    """A message, the keys that are published, and what its chain is."""

    name: str
    message: bytes
    records: dict[str, str]
    status: ArcStatus


def _cases() -> list[Case]:
    suite = shared.peers_dir("arc-valimail")
    if suite is None:
        return []
    documents = yaml.safe_load_all((suite / FILE).read_text())
    return [
        _case(name, test, document)
        for document in documents
        for name, test in document["tests"].items()
    ]


def _case(name: str, test: dict[str, Any], document: dict[str, Any]) -> Case:
    message = test["message"].encode().replace(b"\n", b"\r\n")
    expected = (test["cv"] or "").strip().lower()
    return Case(name, message, document["txt-records"] or {}, EXPECTED[expected])


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Read the suite once."""
    found = _cases()
    if not found:
        pytest.skip(shared.ABSENT)
    return found


def _wrong(case: Case, message: bytes) -> str | None:
    zones = Zones({name: {"TXT": [text]} for name, text in case.records.items()})
    result = drive(validate(message, NOW), zones.answer)
    if result.status is case.status:
        return None
    return f"{case.name}: {result.status} ({result.detail}), not {case.status}"


def test_every_chain_is_judged_as_the_suite_says(cases: list[Case]) -> None:
    assert len(cases) == CASES
    assert [wrong for case in cases if (wrong := _wrong(case, case.message))] == []


def test_bare_line_feeds_change_nothing(cases: list[Case]) -> None:
    bare = [(case, case.message.replace(b"\r\n", b"\n")) for case in cases]
    assert [wrong for case, message in bare if (wrong := _wrong(case, message))] == []


def test_without_keys_no_chain_passes(cases: list[Case]) -> None:
    alone = [case._replace(records={}) for case in cases]
    statuses = {drive(validate(c.message, NOW), Zones({}).answer).status for c in alone}
    assert statuses == {ArcStatus.NONE, ArcStatus.FAIL}
