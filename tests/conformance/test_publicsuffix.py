"""The organisational domain on the public suffix list's own test vectors."""

import re

import pytest

from mailweir_mail.auth.names import ask_name
from mailweir_mail.auth.suffix import is_public_suffix, organizational_domain
from mailweir_testkit import shared

pytestmark = pytest.mark.conformance
_LINE = re.compile(r"^checkPublicSuffix\((null|'.*?'), (null|'.*?')\);", re.MULTILINE)


def vectors() -> list[tuple[str, str | None]]:
    """Return domain and registrable domain (None: none) of each vector that has a domain."""
    suite = shared.peers_dir("publicsuffix")
    if suite is None:
        pytest.skip(shared.ABSENT)
    found: list[tuple[str, str | None]] = []
    for line in (suite / "tests" / "tests.txt").read_text(encoding="utf-8").splitlines():
        words = line.partition("//")[0].split()
        if len(words) == 2 and words[0] != "null":
            found.append((words[0], None if words[1] == "null" else words[1]))
    for domain, owner in _LINE.findall(
        (suite / "tests" / "test_psl.txt").read_text(encoding="utf-8")
    ):
        if domain != "null":
            found.append((domain.strip("'"), None if owner == "null" else owner.strip("'")))
    return found


def test_every_vector() -> None:
    suite = vectors()
    assert len(suite) > 100
    differing = []
    for domain, owner in suite:
        ours = None if is_public_suffix(domain) else organizational_domain(domain)
        expected = ask_name(owner) if owner else None
        if domain.startswith("."):
            expected = domain.lower()  # no domain: it comes back as it is
        if ours != expected:
            differing.append((domain, ours, expected))
    assert differing == []
