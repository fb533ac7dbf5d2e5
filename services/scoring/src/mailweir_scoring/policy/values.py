"""The values of the fields that an expression can ask for, in one message."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from mailweir_mail import Address
from mailweir_scoring.policy.checks.view import View, view_of
from mailweir_scoring.policy.expressions.fields import HEADER
from mailweir_scoring.policy.facts import Facts

MAX_VALUES: Final = 500
"""Values of one field that are looked at."""


def _names(addresses: Iterable[Address]) -> Iterator[str]:
    return (a.name for a in addresses if a.name)


def _written(addresses: Iterable[Address]) -> Iterator[str]:
    return (a.address for a in addresses if a.address)


def _sender(view: View) -> Iterator[str]:
    envelope = view.facts.envelope
    if envelope is not None:
        yield envelope.sender


def _helo(view: View) -> Iterator[str]:
    envelope = view.facts.envelope
    if envelope is not None:
        yield envelope.session.helo


_FIELDS: Final[Mapping[str, Callable[[View], Iterable[str]]]] = {
    "subject": lambda view: (view.message.subject,),
    "from.name": lambda view: _names(view.message.from_.addresses),
    "from.address": lambda view: _written(view.message.from_.addresses),
    "reply-to.address": lambda view: _written(view.message.reply_to.addresses),
    "to.name": lambda view: _names(view.message.to.addresses),
    "to.address": lambda view: _written((*view.message.to.addresses, *view.message.cc.addresses)),
    "envelope.sender": _sender,
    "envelope.helo": _helo,
    "body": lambda view: (view.shown,),
    "body.plain": lambda view: (view.plain,),
    "body.html": lambda view: (p.text for p in view.facts.texts if p.is_html),
    "url": lambda view: (link.href for link in view.followed),
    "url.host": lambda view: view.hosts,
    "attachment.name": lambda view: (p.filename for p in view.files if p.filename),
    "attachment.type": lambda view: (p.detected or p.type for p in view.files),
}


def values_of(facts: Facts, name: str) -> Sequence[bytes]:
    """Return the values of a field in a message, decoded, as UTF-8; each is made once for all expressions."""
    known = view_of(facts).encoded
    if name not in known:
        made = _values(view_of(facts), name)
        known[name] = tuple(text.encode("utf-8", "replace") for text in islice(made, MAX_VALUES))
    return known[name]


def _values(view: View, name: str) -> Iterable[str]:
    if name.startswith(HEADER):
        return (field.text for field in view.message.headers.all(name[len(HEADER) :]))
    return _FIELDS[name](view)
