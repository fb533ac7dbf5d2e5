"""DKIM on another project's messages and keys, and on real mail beside another program."""

import re
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from dkim.canonicalization import CanonicalizationPolicy

from mailweir_core.asking import drive
from mailweir_mail.auth.dkim import DkimStatus, verify
from mailweir_mail.auth.dkim.canonical import BODY, section
from mailweir_mail.auth.dkim.model import DEFAULT, Unusable
from mailweir_mail.auth.dkim.signature import message_signature, read_tags
from mailweir_testkit import shared
from mailweir_testkit.zones import Zones

pytestmark = pytest.mark.conformance
SAMPLE = 1500
LEAST_SIGNATURES = 200
# Where we differ from what the suite says: it is older than RFC 8301, which ended rsa-sha1.
EXPECTED = {
    "google_apps_good.eml": [DkimStatus.PASS],
    "google_apps_good_case.eml": [DkimStatus.PASS],
    "google_apps_good_sanitize.eml": [DkimStatus.PASS],
    "google_apps_bad.eml": [DkimStatus.FAIL],
    "google_apps_bad_space.eml": [DkimStatus.FAIL],
    "google_apps_nodkim.eml": [],
    "dmarc_reject_wl.eml": [DkimStatus.PERMERROR],
    "dmarc_reject.eml": [],
}
_RECORD = re.compile(r"^(\S+)\.\s+\d+\s+IN\s+TXT\s+(.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def suite() -> Path:
    """Return the folder of the suite."""
    found = shared.peers_dir("authentication-milter")
    if found is None:
        pytest.skip(shared.ABSENT)
    return found


@pytest.fixture(scope="module")
def zones(suite: Path) -> Zones:
    """Return the keys that the suite publishes."""
    records = _RECORD.findall((suite / "zonefile").read_text("latin-1"))
    return Zones(
        {
            name: {"TXT": ["".join(re.findall(r'"([^"]*)"', text))]}
            for name, text in records
            if "_domainkey" in name and '"' in text
        }
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_message_of_the_suite_is_judged_as_it_says(suite: Path, zones: Zones, name: str) -> None:
    raw = (suite / "source" / name).read_bytes()
    results = drive(verify(raw, 1_600_000_000.0), zones.answer)
    assert [r.result for r in results] == EXPECTED[name], results


def test_bodies_of_real_mail_hash_as_with_another_program() -> None:
    corpus = shared.corpus_dir()
    if corpus is None:
        pytest.skip(shared.ABSENT)
    counts: Counter[bool] = Counter()
    for mail in shared.corpus_sample(SAMPLE):
        counts.update(_same_hashes((corpus / mail.path).read_bytes()))
    assert counts[False] == 0
    assert counts[True] >= LEAST_SIGNATURES


def _same_hashes(raw: bytes) -> list[bool]:
    """Return for each signature whether both programs find the same body under it."""
    found = section(raw)
    same = []
    for place in found.at(b"dkim-signature"):
        field = found.fields[place]
        try:
            signature = message_signature(place, field, read_tags(field, DEFAULT))
        except Unusable:
            continue
        ours = BODY[signature.body](found.body)[: signature.length]
        forms = f"{signature.header}/{signature.body}".encode()
        theirs = CanonicalizationPolicy.from_c_value(forms).canonicalize_body(found.body)
        theirs = theirs[: signature.length]
        same.append(sha256(ours).digest() == sha256(theirs).digest())
    return same
