"""The parser on other projects' suites and on real mail: nothing raises, readers see the same."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from mailweir_mail import DefectKind, parse
from mailweir_testkit import shared
from mailweir_testkit.mail import touch

pytestmark = pytest.mark.conformance
SUITES = ("mime-torture", "enmime", "stalwart-mail-parser", "mikel-mail", "haraka")
AGREEMENT = 0.95
LIMITS = {kind for kind in DefectKind if kind.endswith("_limit")}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """Load the script that compares; test modules are no package to import it from."""
    return runpy.run_path(str(Path(__file__).with_name("parser_report.py")))


@pytest.fixture(scope="module")
def items(report: dict[str, Any]) -> list[Any]:
    """Compare once for all tests."""
    suite = shared.peers_dir("stalwart-mail-parser")
    if suite is None:
        pytest.skip(shared.ABSENT)
    found: list[Any] = report["compare_suite"](suite)
    return found


@pytest.mark.parametrize("name", SUITES)
def test_every_file_of_a_suite_parses(name: str) -> None:
    suite = shared.peers_dir(name)
    if suite is None:
        pytest.skip(shared.ABSENT)
    files = [path for path in sorted(suite.rglob("*")) if path.is_file()]
    assert files
    for path in files:
        touch(parse(path.read_bytes()))


def test_the_torture_test_is_taken_apart_to_the_last_part() -> None:
    suite = shared.peers_dir("mime-torture")
    if suite is None:
        pytest.skip(shared.ABSENT)
    message = parse((suite / "crispin-torture-test.eml").read_bytes())
    parts = list(message.parts())
    assert sum(part.is_message for part in parts) >= 10
    assert max(part.number.count(".") for part in parts) >= 5
    assert {defect.kind for defect in message.defects} <= {
        DefectKind.HEADER_MBOX,
        DefectKind.BASE64,
        DefectKind.CONTENT_TYPE,
    }


@pytest.mark.timeout(120)
def test_a_sample_of_real_mail_parses() -> None:
    _parse_all(shared.corpus_sample(1500))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_all_real_mail_parses() -> None:
    _parse_all(shared.corpus_manifest())


def _parse_all(mails: list[shared.CorpusMail]) -> None:
    corpus = shared.corpus_dir()
    if corpus is None:
        pytest.skip(shared.ABSENT)
    over = []
    for mail in mails:
        message = parse((corpus / mail.path).read_bytes())
        touch(message)
        over.extend(mail.path for defect in message.defects if defect.kind in LIMITS)
    # Real mail stays within the limits; one in a hundred has HTML that is read without a tree.
    assert len(set(over)) <= len(mails) * 0.01


@pytest.mark.parametrize("aspect", ["headers", "text", "attachments", "fields"])
def test_agreement_with_the_expected_parse(
    report: dict[str, Any], items: list[Any], aspect: str
) -> None:
    agreed, total = report["agreement"](items)[aspect]
    assert total > 300
    assert agreed / total >= AGREEMENT


def test_agreement_over_all_values(items: list[Any]) -> None:
    assert sum(item.agrees for item in items) / len(items) >= AGREEMENT


def test_every_disagreement_is_explained_and_every_explanation_needed(
    report: dict[str, Any], items: list[Any]
) -> None:
    reasons = report["load_reasons"]()
    assert [item.key for item in items if not item.agrees and reasons.of(item) is None] == []
    assert reasons.unused(items) == []


def test_the_document_is_up_to_date(report: dict[str, Any], items: list[Any]) -> None:
    written = report["DOCUMENT"].read_text(encoding="utf-8")
    assert written == report["document"](items, report["load_reasons"]())
