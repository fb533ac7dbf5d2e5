"""Fuzz SPF, DMARC and Authentication-Results: `python tests/fuzz/fuzz_auth.py [--minutes 10] [--engine …]`.

Engines and options are those of `fuzz_mail.py`.
"""

import runpy
from pathlib import Path
from typing import Final

SEEDS: Final = Path(__file__).with_name("seeds") / "auth"
MOST_QUESTIONS: Final = (
    250  # 10 mx of 10 hosts, the records and the client's names, with some to spare
)
TOKENS: Final = (
    b"v=spf1 ", b"a", b"mx", b"ptr", b"all", b"-", b"~", b"?", b"+", b"include:", b"exists:", b"ip4:",
    b"ip6:", b"redirect=", b"exp=", b"%{", b"}", b"%{d}", b"%{s}", b"%{p}", b"%{ir}", b"%{l2r+-}",
    b"%{H}", b"%%", b"%_", b"%-", b"/", b"//", b"/24", b"//64", b"192.0.2.1", b"2001:db8::1",
    b"example.com", b".", b" ", b"v=DMARC1; ", b"p=reject; ", b"sp=none; ", b"np=reject; ", b"pct=5; ",
    b"rua=mailto:a@b.example!10m", b"adkim=s; ", b"t=y; ", b"mx.example.com; ", b"spf=pass ",
    b"dkim=fail ", b"dmarc=none ", b"smtp.mailfrom=", b"header.d=", b"reason=", b'"', b"\\", b"(", b")",
    b";", b"=", b"@", b"\r\n\t", b"\0", b"\xff", b"\xc3\xa4",
)  # fmt: skip


def check(data: bytes) -> None:
    """Take an input for a record of either kind, for a header field, and for what a client says."""
    text = data.decode("latin-1")
    _spf(text)
    _dmarc(text)
    _results(data)


def _spf(text: str) -> None:
    """Check a record that is its own include, redirect, host and explanation: questions stay bounded."""
    from mailweir_core.asking import drive
    from mailweir_mail.auth.spf import check_host
    from mailweir_testkit.zones import Zones

    own = {"TXT": [text], "A": ["192.0.2.1"], "MX": ["1 example.com", "2 b.example"], "PTR": [text]}
    zones = Zones({"example.com": own, "1.2.0.192.in-addr.arpa": {"PTR": ["example.com"]}})
    sender = text[:64]
    for domain, record in (("example.com", text), ("v.example.com", "v=spf1 " + text)):
        zones = Zones({domain: {**own, "TXT": [record]}, **zones.table})
        found = drive(check_host("192.0.2.1", domain, f"{sender}@{domain}", sender), zones.answer)
        assert found.lookups <= 11
        assert len(zones.asked) <= MOST_QUESTIONS
        assert found.explanation.isascii()


def _dmarc(text: str) -> None:
    from mailweir_core.asking import drive
    from mailweir_mail import Headers
    from mailweir_mail.auth.dmarc import DmarcStatus, author_of, evaluate_author
    from mailweir_testkit.zones import Zones

    zones = Zones(
        {"_dmarc.example.com": {"TXT": [text]}, "_dmarc.b.example": {"TXT": ["v=DMARC1; p=reject"]}}
    )
    header = b"From: a@example.com\r\n" + text.encode("latin-1")
    for raw in (header, b"From: " + text.encode("latin-1")):
        found = drive(evaluate_author(author_of(Headers(raw)), None, ()), zones.answer)
        assert found.result is not DmarcStatus.PASS


def _results(data: bytes) -> None:
    """Read it, write what was read, and read that: the second reading finds the same."""
    from mailweir_mail.auth.results import AuthResults, field_value, parse_results

    found = parse_results(data)
    if found is None:
        return
    again = parse_results(field_value(AuthResults("mx.example.com", found.results)))
    assert again is not None
    assert [(r.method, r.result) for r in again.results] == [
        (r.method.replace("_", "") or "unknown", r.result.replace("_", "") or "unknown")
        for r in found.results
    ]


def main() -> int:
    """Fuzz for the time given, or check the files named."""
    mail = runpy.run_path(str(Path(__file__).with_name("fuzz_mail.py")))
    status: int = mail["main"](mail["Target"](check, SEEDS, TOKENS), __doc__)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
