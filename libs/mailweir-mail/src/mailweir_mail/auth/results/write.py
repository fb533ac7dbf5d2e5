"""Writing an Authentication-Results value so that nothing in it can be taken for something else."""

import re
from typing import Final

from .model import AuthResults, MethodResult, Property

MAX_VALUE: Final = 320  # characters of one value or comment: an address has at most 320

# RFC 2045 §5.1: what is no tspecial, blank or control. Beyond ASCII as RFC 6532 has it.
_TOKEN: Final = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~\u00a1-\U0010ffff-]+")
_ADDRESS: Final = re.compile(rf"(?:{_TOKEN.pattern})?@[A-Za-z0-9._\u00a1-\U0010ffff-]+")
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff]+")
_SPECIAL: Final = re.compile(r'(["\\])')
_COMMENT_SPECIAL: Final = re.compile(r"([()\\])")


def field_value(found: AuthResults) -> str:
    """Return the field's value, a line for each result; `mailweir_mail.fold` makes a header of it."""
    head = _value(found.authserv_id) + (f" {found.version}" if found.version.isdigit() else "")
    if not found.results:
        return f"{head}; none"
    return ";\n".join([head, *map(_result, found.results)])


def _result(result: MethodResult) -> str:
    version = f"/{result.version}" if result.version.isdigit() else ""
    words = [f"{_keyword(result.method)}{version}={_keyword(result.result)}"]
    if result.comment:
        words.append("(" + _COMMENT_SPECIAL.sub(r"\\\1", _seen(result.comment)) + ")")
    if result.reason:
        words.append(f"reason={_value(result.reason)}")
    words.extend(map(_property, result.properties))
    return " ".join(words)


def _property(found: Property) -> str:
    return f"{_keyword(found.ptype)}.{_keyword(found.name)}={_value(found.value)}"


def _keyword(text: str) -> str:
    """Return a name of ours as it must be; anything else in it is dropped."""
    return re.sub(r"[^A-Za-z0-9-]", "", text) or "unknown"


def _value(text: str) -> str:
    """Return a value as token, as address where it is one without quotes, or quoted."""
    shown = _seen(text)
    if _TOKEN.fullmatch(shown) or _ADDRESS.fullmatch(shown):
        return shown
    return '"' + _SPECIAL.sub(r"\\\1", shown) + '"'


def _seen(text: str) -> str:
    return _UNSEEN.sub(" ", text[:MAX_VALUE])
