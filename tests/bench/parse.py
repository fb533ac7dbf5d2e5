"""Cost of parsing a mail, beside other parsers, in one run: `python tests/bench/parse.py [--mails 600]`.

CPU time, the best of several rounds that take turns, so that a busy machine disturbs all alike: read the
ratios. The mails are a sample of the shared corpus, every set in its proportion.
"""

import argparse
import email.parser
import email.policy
import sys
import time
from collections.abc import Callable, Sequence

from mailweir_mail import (
    Message,
    count_received,
    first_header,
    parse,
    prepend_headers,
    without_headers,
)
from mailweir_testkit import shared

Run = Callable[[bytes], object]
_COMPAT = email.parser.BytesParser(policy=email.policy.compat32)
_MODERN = email.parser.BytesParser(policy=email.policy.default)
_DROPPED = ("X-Mailweir-Id", "X-Mailweir-Version")


def relay_edits(raw: bytes) -> object:
    """Do what a relay does to every mail, on bytes alone."""
    count_received(raw)
    first_header(raw, "Subject")
    clean = without_headers(
        raw, _DROPPED, prefixes=("X-Spam-",), matching=lambda _name, _value: False
    )
    return prepend_headers(
        clean, [("Received", "from a by b with ESMTP; Thu, 1 Jan 2026 00:00:00 +0000")]
    )


def split_only(raw: bytes) -> object:
    """Find header fields and parts."""
    message = parse(raw)
    return len(message.headers), message.root


def contents(raw: bytes) -> object:
    """Read what other parsers' full mode gives: every header, text, HTML source, and attachments' octets."""
    message = parse(raw)
    headers = [(field.name, field.text) for field in message.headers]
    return headers, [
        part.text if part.is_text else part.content for part in message.parts() if not part.children
    ]


def facts(raw: bytes) -> object:
    """Read what scoring asks for: addresses, hops, rendered HTML with what is hidden, links, types."""
    return facts_of(parse(raw))


def facts_of(message: Message) -> object:
    """Read them of a message."""
    people = (message.from_, message.to, message.reply_to, message.subject, message.date)
    files = [(part.filename, part.detected) for part in message.attachments]
    return people, files, message.received, message.text, message.rendered, message.links


def everything(raw: bytes) -> object:
    """Read the facts, and the defects of every field and part."""
    message = parse(raw)
    return facts_of(message), message.defects


def compat32(raw: bytes) -> object:
    """Build the standard library's tree, old style, decoding nothing."""
    return _COMPAT.parsebytes(raw)


def compat32_contents(raw: bytes) -> object:
    """Build the standard library's tree and decode the parts' octets; characters and headers are left out."""
    return [
        part.get_payload(decode=True)
        for part in _COMPAT.parsebytes(raw).walk()
        if not part.is_multipart()
    ]


def modern(raw: bytes) -> object:
    """Build the standard library's tree, new style, decoding the headers."""
    message = _MODERN.parsebytes(raw)
    try:
        return message.items()
    except (ValueError, IndexError, AttributeError, TypeError, KeyError):
        return None  # its header parser fails on some mails; the time until then counts


def runs() -> dict[str, Run]:
    """Name what is measured, ours first."""
    found: dict[str, Run] = {
        "mailweir: relay's edits": relay_edits,
        "mailweir: fields and tree": split_only,
        "mailweir: contents": contents,
        "mailweir: facts for scoring": facts,
        "mailweir: everything": everything,
        "email compat32: tree": compat32,
        "email compat32: + octets": compat32_contents,
        "email policy.default: headers": modern,
    }
    try:
        import fast_mail_parser
    except ImportError:
        print("fast-mail-parser is not installed: left out", file=sys.stderr)
        return found

    def fast(raw: bytes) -> object:
        try:
            return fast_mail_parser.parse_email(raw)
        except fast_mail_parser.ParseError:
            return None

    return found | {"fast-mail-parser: full": fast}


def measure(mails: Sequence[bytes], rounds: int) -> dict[str, float]:
    """Return the best CPU time per mail of each, in microseconds."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, run in runs().items():
            start = time.process_time()
            for raw in mails:
                run(raw)
            spent = (time.process_time() - start) / len(mails) * 1e6
            best[name] = min(best.get(name, spent), spent)
    return best


def main() -> int:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mails", type=int, default=600)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    corpus = shared.corpus_dir()
    if corpus is None:
        print(shared.ABSENT, file=sys.stderr)
        return 2
    mails = [(corpus / mail.path).read_bytes() for mail in shared.corpus_sample(chosen.mails)]
    best = measure(mails, chosen.rounds)
    unit = best["email compat32: tree"]
    print(f"{len(mails)} mails, {sum(map(len, mails)) / len(mails) / 1024:.1f} KiB on average\n")
    print(f"{'':32}{'µs a mail':>10}{'x compat32':>12}")
    for name, spent in best.items():
        print(f"{name:32}{spent:10.0f}{spent / unit:12.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
