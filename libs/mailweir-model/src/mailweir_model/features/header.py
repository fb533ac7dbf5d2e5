"""Facts of the header: what is there, in what order, of what shape; never whose it is."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

from mailweir_mail import Message

from .shapes import bucket, shape

FIELDS: Final = 200
"""Fields of one header that are looked at."""

_FAMILY: Final = re.compile(r"[A-Za-z][A-Za-z .!-]{1,23}")
_PARAMETER: Final = re.compile(r";\s*([A-Za-z-]+)\s*=")
_ORDERED: Final = frozenset(
    {
        "from", "to", "subject", "date", "message-id", "mime-version", "content-type",
        "content-transfer-encoding", "reply-to", "x-mailer", "user-agent", "cc", "in-reply-to",
        "references", "dkim-signature", "x-priority",
    }
)  # fmt: skip
_TRAFFIC: Final = frozenset(
    {
        "precedence", "sender", "errors-to", "x-beenthere", "mailing-list", "x-mailing-list",
        "x-loop", "return-path", "delivered-to", "received", "delivery-date", "x-apparently-to",
        "x-authentication-warning", "x-forwarded-to", "x-forwarded-for",
    }
)  # fmt: skip


def header_facts(message: Message) -> Iterator[str]:
    """Yield what is there and how it looks."""
    names = [name for name in message.headers.names[:FIELDS] if not _is_traffic(name)]
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        yield f"has {name}"
        if count > 1 and name != "received":
            yield f"twice {name}"
    ordered = [n for n in names if n in _ORDERED]
    for before, after in pairwise(ordered):
        if before != after:
            yield f"order {before} {after}"
    yield f"fields {bucket(len(names))}"
    yield from _value_facts(message)


def _value_facts(message: Message) -> Iterator[str]:
    headers = message.headers
    yield f"id shape {shape(message.message_id.partition('@')[0], 8)}"
    yield f"id length {bucket(len(message.message_id))}"
    for name in ("x-mailer", "user-agent"):
        if value := headers.get(name):
            found = _FAMILY.match(value.strip())
            yield f"agent {found[0].strip().lower() if found else shape(value, 4)}"
    for name in ("x-priority", "importance", "auto-submitted", "mime-version"):
        if value := headers.get(name):
            yield f"value {name} {value.strip().lower()[:20]}"
    top = message.root
    yield f"type {top.type}"
    yield f"encoding {top.encoding[:20]}"
    if found_type := headers.first("content-type"):
        yield f"parameters {' '.join(p.lower() for p in _PARAMETER.findall(found_type.undecoded[:500])[:6])}"
    if boundary := top.content_type.get("boundary"):
        yield f"boundary {shape(boundary, 8)}"
    date = headers.first("date")
    if date is not None:
        text = date.undecoded.strip()
        yield f"date shape {re.sub('[A-Za-z]+', 'a', re.sub('[0-9]', '0', text[:40]))}"


@lru_cache(maxsize=1024)
def _is_traffic(name: str) -> bool:
    """Say whether a field tells the way a message came (a list, a relay), not how it was made.

    Spam that reaches a list has a list's header: from those fields one learns where mail was collected.
    """
    return name in _TRAFFIC or name.startswith(("list-", "x-mailman", "x-list"))
