"""Fuzz the reading of rule files: `python tests/fuzz/fuzz_rules.py [--minutes 10] [--engine …]`.

Engines and options are those of `fuzz_mail.py`.
"""

import runpy
from pathlib import Path
from typing import Final

SEEDS: Final = Path(__file__).with_name("seeds") / "rules"
TOKENS: Final = (
    b"body ", b"header ", b"rawbody ", b"uri ", b"full ", b"meta ", b"mimeheader ", b"score ",
    b"describe ", b"tflags ", b"priority ", b"\n", b"if ", b"ifplugin ", b"else\n", b"endif\n", b"include ",
    b"replace_tag ", b"replace_rules ", b"replace_inter ", b"<A>", b"<inter ", b"version", b"plugin(",
    b"can(", b"Mail::SpamAssassin::Plugin::", b"lang ", b"eval:", b"exists:", b"[if-unset: ", b"=~", b"!~",
    b"ALL:raw", b"Subject", b"multiple maxhits=2", b"net", b"__A", b"A", b"&&", b"||", b"!",
    b"rules_matching(",
    b"(", b")", b"(?i)", b"(?<=", b"(?!", b"(?>", b"(?<N>", b"%{N}", b"\\1", b"\\x{41}", b"\\Q", b"[", b"]",
    b"[:alpha:]", b"{2,5}", b"*", b"+", b"?", b"|", b"^", b"$", b"/i", b"m{", b"}", b"#", b"\\#", b"\xff",
)  # fmt: skip


class _View:
    """One message, the same for every rule file."""

    body = (
        b"Subject",
        b"hello world, buy now for $100",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
    )
    rawbody = (b"<b>hello</b>\n",)
    full = b"Subject: x\n\nhello\n"
    uris = (b"http://www.example.com/",)

    def header(self, name: str, modifier: str = "") -> bytes | None:
        return b"hello <a@b.example>" if name in ("From", "Subject", "ALL") else None

    def headers_all(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        return ()

    def mimeheader(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        return (b"text/plain", b"image/png") if name == "Content-Type" else ()


def check(data: bytes) -> None:
    """Read, compile and run a rule file: every line is loaded or named, and nothing raises or hangs."""
    from mailweir_spamassassin.build import Evals
    from mailweir_spamassassin.conf.source import MemorySource
    from mailweir_spamassassin.loading import load

    source = MemorySource({"a.cf": data, "b.inc": b"body B /b/\ninclude a.cf"})
    loaded = load(source, Evals({"check": lambda context, arguments: 1}), strict=False)
    lines = data.count(b"\n") + 1
    assert all(p.place.line <= max(lines, 2) for p in loaded.problems)
    assert 0 <= loaded.coverage.loaded <= loaded.coverage.lines
    if loaded.book is not None:
        result = loaded.book.run(_View())
        assert len({h.name for h in result.hits}) == len(result.hits)
        assert all(h.name in loaded.files.rules for h in result.hits)


if __name__ == "__main__":
    fuzz = runpy.run_path(str(Path(__file__).with_name("fuzz_mail.py")))
    raise SystemExit(fuzz["main"](fuzz["Target"](check, SEEDS, TOKENS), __doc__))
