"""Fuzz SpamAssassin's view of a message: `python tests/fuzz/fuzz_spamassassin.py [--minutes 10]`.

Engines and options are those of `fuzz_mail.py`.
"""

import runpy
from pathlib import Path
from typing import Final

SEEDS: Final = Path(__file__).with_name("seeds") / "spamassassin"
TOKENS: Final = (
    b"From: ",
    b"To: ",
    b"Subject: ",
    b"Received: from a (b [192.0.2.1]) by c ",
    b"=?utf-8?q?",
    b"?=",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"Content-Type: text/html\r\n",
    b"multipart/alternative; boundary=b",
    b"--b\r\n",
    b"--b--",
    b"<a href=",
    b"<font color=white>",
    b"</",
    b">",
    b"<!--",
    b"-->",
    b"&#x41;",
    b"http://",
    b"www.",
    b"%41",
    b"@",
    b"\0",
    b"\xff",
    b"Content-Transfer-Encoding: base64\r\n",
    b"quoted-printable",
    b"=41",
    b"=\r\n",
    b"(",
    b")",
    b"<",
    b'"',
    b",",
    b";",
)
HEADERS: Final = (
    "From",
    "ALL",
    "ALL-EXTERNAL",
    "ToCc",
    "EnvelopeFrom",
    "MESSAGEID",
    "X-Spam-Relays-Untrusted",
)
MODIFIERS: Final = ("", "raw", "addr", "name", "addr:domain", "ip")
SETTINGS: Final = {"util_rb_tld": ("com org",), "freemail_domains": ("free.com",)}


def check(data: bytes) -> None:
    """Ask a view for all it has and run every eval test: nothing raises, no text is longer than it may be."""
    from mailweir_mail import parse
    from mailweir_spamassassin.evals import EVALS
    from mailweir_spamassassin.view.api import EvalContext
    from mailweir_spamassassin.view.message import View
    from mailweir_spamassassin.view.site import Site
    from mailweir_spamassassin.view.text import MAX_LINE

    view = View(parse(data), site=Site(SETTINGS))
    for name in HEADERS:
        for modifier in MODIFIERS:
            view.header(name, modifier)
    view.mimeheader("ALL")
    assert all(len(block) <= 2 * MAX_LINE + 1 for block in view.rawbody)
    assert all(len(line) <= MAX_LINE + 1 for line in view.body[1:])
    assert all(uri for uri in view.uris)
    context = EvalContext(view, SETTINGS)
    for function in EVALS.values():
        assert function(context, ("all", "0", "1")) >= 0


def main() -> int:
    """Fuzz for the time given, or check the files named."""
    mail = runpy.run_path(str(Path(__file__).with_name("fuzz_mail.py")))
    status: int = mail["main"](mail["Target"](check, SEEDS, TOKENS), __doc__)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
