"""JSON as it is meant (RFC 8259): one value a name, finite numbers, whole characters, not nested without end.

A name that stands twice is refused (RFC 7493 §2.3): of two readers one takes the first, one the last.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64


class NotJson(ValueError):
    """Raised for bytes that are no such JSON; the text is a sentence for whoever sent them."""


def decoded(data: bytes) -> Any:
    """Return the value in a JSON text; raises NotJson."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_refused,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise NotJson("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise NotJson(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except NotJson:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise NotJson("a number is too long") from error
    _check(value)
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise NotJson(f"the name {name[:60]!r} stands twice in one object")
        found[name] = value
    return found


def _refused(word: str) -> NoReturn:
    raise NotJson(f"{word} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson(f"{text[:40]} is too big a number")
    return number


def _check(value: Any) -> None:
    """Refuse halves of characters, and depth; level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        for text in (item for item in level if isinstance(item, str)):
            if not _is_whole(text):
                raise NotJson("a text has half of a surrogate pair")
        level = [item for each in level for item in _below(each)]
        if not level:
            return
    raise NotJson("nested too deeply")


def _below(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    return value if isinstance(value, list) else ()


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
