"""SPF, iprev, DMARC and DKIM on authentication_milter's mails, against the Authentication-Results it wrote.

Each example names in its own header what was asked (client, MAIL FROM, HELO), and holds the mail. What we
say otherwise is explained in authentication_milter_explanations.toml beside this file.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from mailweir_core.asking import drive
from mailweir_core.net import parse_ip
from mailweir_mail import Headers, header_block, raw_fields, unfold
from mailweir_mail.auth import dkim, iprev
from mailweir_mail.auth.dmarc import author_of, evaluate_author
from mailweir_mail.auth.results import AuthResults, parse_results
from mailweir_mail.auth.spf import check_sender
from mailweir_testkit import shared
from mailweir_testkit.zones import Zones

pytestmark = pytest.mark.conformance
EXPLANATIONS = Path(__file__).with_name("authentication_milter_explanations.toml")
TYPES = ("A", "AAAA", "MX", "TXT", "PTR", "CNAME")
NOW = 1_480_700_000.0  # December 2016, when the mails were made


@dataclass(frozen=True, slots=True)
class Example:
    """One mail as it came, and what the peer said of it."""

    name: str
    said: AuthResults
    raw: bytes


def suite() -> Path:
    found = shared.peers_dir("authentication-milter")
    if found is None:
        pytest.skip(shared.ABSENT)
    return found


def zones(place: Path) -> Zones:
    """Read the suite's zone: a record a line, in parentheses or not."""
    table: dict[str, dict[str, list[str]]] = {}
    for line in place.read_text(encoding="utf-8").splitlines():
        words = line.split(None, 4)
        kind = next((word for word in words[1:4] if word in TYPES), None)
        if kind is None or line.startswith(";"):
            continue
        text = line.split(kind, 1)[1].strip().removeprefix("(").removesuffix(")").strip()
        if text:
            records = table.setdefault(words[0], {}).setdefault(kind, [])
            records.append(_record(kind, text))
    return Zones(table)


def _record(kind: str, text: str) -> str:
    if kind != "TXT":
        return text
    rdata: Any = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, text)
    return b"".join(rdata.strings).decode("latin-1")


def examples() -> Iterator[Example]:
    """Yield the examples that say where they came from, each with the mail it was made of."""
    place = suite()
    sources = sorted((place / "source").iterdir(), key=lambda path: -len(path.stem))
    for path in sorted((place / "example").glob("*.eml")):
        said = _said(path.read_bytes())
        source = next((s for s in sources if path.name.startswith(s.stem)), None)
        if said is not None and source is not None and _client(said):
            raw = source.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            yield Example(path.name.removesuffix(".eml"), said, raw)


def _said(raw: bytes) -> AuthResults | None:
    for field in raw_fields(header_block(raw)):
        name, _, value = field.partition(b":")
        if name.lower() == b"authentication-results":
            found = parse_results(unfold(value))
            if found is not None and found.of("iprev"):
                return found
    return None


def _client(said: AuthResults) -> str:
    return next((found.get("smtp", "remote-ip") for found in said.of("iprev")), "")


def compare(example: Example, table: Zones) -> Iterator[tuple[str, object, object]]:
    """Yield (what, theirs, ours) of one example."""
    said, headers = example.said, Headers(header_block(example.raw))
    ip = parse_ip(_client(said))
    assert ip is not None
    yield "iprev", said.of("iprev")[0].result, drive(iprev.check(ip), table.answer).result
    (about,) = said.of("spf")[:1] or (None,)
    spf = None
    if about is not None:
        asking = check_sender(ip, about.get("smtp", "mailfrom"), about.get("smtp", "helo"))
        spf = drive(asking, table.answer)
        yield "spf", about.result, spf.result
    signed = drive(dkim.verify(example.raw, NOW), table.answer)
    yield (
        "dkim",
        sorted((d.result, d.get("header", "d")) for d in said.of("dkim") if d.result != "none"),
        sorted((str(d.result), d.domain) for d in signed),
    )
    judged = drive(evaluate_author(author_of(headers), spf, signed), table.answer)
    yield "dmarc", sorted(d.result for d in said.of("dmarc")), [str(judged.result)]
    yield (
        "disposition",
        sorted(d.get("policy", "evaluated-disposition") or "none" for d in said.of("dmarc")),
        [str(judged.disposition)],
    )


def differences() -> dict[str, tuple[object, object]]:
    table = zones(suite() / "zonefile")
    return {
        f"{example.name} {what}": (theirs, ours)
        for example in examples()
        for what, theirs, ours in compare(example, table)
        if theirs != ours
    }


def test_there_is_enough_to_compare() -> None:
    found = list(examples())
    assert len(found) >= 40
    assert {result.result for example in found for result in example.said.of("spf")} >= {
        "pass",
        "fail",
        "softfail",
        "none",
    }


def test_every_difference_is_explained_and_every_explanation_needed() -> None:
    explained = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    reasons = {
        item: group["reason"].strip() for group in explained.values() for item in group["items"]
    }
    assert all(reasons.values())
    found = differences()
    assert {key: both for key, both in found.items() if key not in reasons} == {}
    assert [key for key in reasons if key not in found] == []
