"""A pattern for many texts in one pass: they are put together with a byte between them that no pattern takes.

Where a text has that byte itself, it gets STAND_IN for it; patterns that could tell the two apart have no
joined form. What anchors ask for becomes the separator, so a match tells by its end which text it is in.
"""

from collections.abc import Sequence
from typing import Final

from mailweir_spamassassin.perl.nodes import (
    NEWLINE,
    Alt,
    Anchor,
    AnchorKind,
    Atomic,
    Chars,
    Node,
    Repeat,
    Seq,
)

SEPARATOR: Final = b"\xff"
STAND_IN: Final = b"\xfe"
_SEPARATOR: Final = 1 << 0xFF
_BOTH: Final = _SEPARATOR | 1 << 0xFE
_STARTS: Final = frozenset({AnchorKind.START, AnchorKind.LINE_START})
_ENDS: Final = frozenset({AnchorKind.END, AnchorKind.LINE_END, AnchorKind.VERY_END})
_CLOSE: Final = Chars(_SEPARATOR)
_ANCHORS: Final[dict[AnchorKind, Node]] = {
    AnchorKind.START: _CLOSE,
    AnchorKind.LINE_START: Chars(_SEPARATOR | NEWLINE),
    AnchorKind.END: Seq((Repeat(Chars(NEWLINE), 0, 1), _CLOSE)),
    AnchorKind.LINE_END: Chars(_SEPARATOR | NEWLINE),
    AnchorKind.VERY_END: _CLOSE,
}


def join(texts: Sequence[bytes]) -> bytes:
    """Return the texts with a separator before, between and after them."""
    joined = b"\n".join(texts)
    if SEPARATOR in joined:
        texts = [text.replace(SEPARATOR, STAND_IN) for text in texts]
    return b"".join((SEPARATOR, SEPARATOR.join(texts), SEPARATOR))


def joined_form(node: Node) -> Node | None:
    """Return a pattern that matches joined texts where `node` matches one of them; None where there is none.

    `node` is one that `shape.is_exact`, without anchors in its middle.
    """
    if _most(node, _STARTS) > 1 or _most(node, _ENDS) > 1:
        return None  # each would want a separator of its own
    return _form(node)


def _form(node: Node) -> Node | None:
    match node:
        case Chars(mask):
            if mask & _BOTH not in (0, _BOTH):
                return None
            return Chars(mask & ~_SEPARATOR)
        case Seq(items):
            forms = _forms(items)
            return None if forms is None else Seq(forms)
        case Alt(branches):
            forms = _forms(branches)
            return None if forms is None else Alt(forms)
        case Repeat(item, least, most):
            form = _form(item)
            return None if form is None else Repeat(form, least, most)
        case Anchor(kind):
            return _ANCHORS.get(kind, node)
    return None


def _forms(items: Sequence[Node]) -> tuple[Node, ...] | None:
    forms = [_form(item) for item in items]
    known = tuple(form for form in forms if form is not None)
    return known if len(known) == len(forms) else None


def _most(node: Node, kinds: frozenset[AnchorKind]) -> int:
    """Return how many anchors of some kinds a match may pass."""
    match node:
        case Anchor(kind):
            return int(kind in kinds)
        case Seq(items):
            return sum(_most(item, kinds) for item in items)
        case Alt(branches):
            return max((_most(b, kinds) for b in branches), default=0)
        case Repeat(item) | Atomic(item):
            return _most(item, kinds)
    return 0
