"""Character references as SpamAssassin's parser resolves them: 128 to 159 mean Unicode too."""

import html
import re
from typing import Final

_REFERENCE: Final = re.compile(
    r"&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,10}));?|&[A-Za-z][A-Za-z0-9]{1,31};?"
)
_SURROGATES: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_ANY_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MOST: Final = 0x10FFFF
_REPLACEMENT: Final = "\ufffd"


def unescape(text: str) -> str:
    """Return the text with its references resolved; one that is no character stays as it is."""
    if "&" not in text:
        return text
    text = _REFERENCE.sub(_resolved, text)
    if _ANY_SURROGATE.search(text) is None:
        return text
    text = _SURROGATES.sub(_joined, text)
    return _ANY_SURROGATE.sub(_REPLACEMENT, text)


def _resolved(found: re.Match[str]) -> str:
    if found[1] is None and found[2] is None:
        return html.unescape(found[0])
    code = int(found[1], 16) if found[1] else int(found[2])
    return chr(code) if 0 < code <= _MOST else found[0]


def _joined(found: re.Match[str]) -> str:
    return found[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
