"""Setting one field of a document by its path, as `--set path=value` and tests write it."""

import json
from typing import Any


def read_assignment(text: str) -> tuple[str, Any]:
    """Return path and value of `path.to.field=value`; a value that is no JSON is taken as a string.

    Raises ValueError with a sentence where there is no path.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise ValueError(f"{text!r}: write path.to.field=value")
    try:
        return path.strip(), json.loads(value)
    except ValueError:
        return path.strip(), value.strip()


def assign(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a dotted path, numbers for places in a list; missing objects are made on the way.

    Whether there is such a field is the policy's to say. Raises ValueError where the path leads through
    a value that has no fields, or past the end of a list.
    """
    place: Any = document
    *way, last = path.split(".")
    for part in way:
        place = _child(place, part, path)
    if isinstance(place, dict):
        place[last] = value
    elif isinstance(place, list):
        place[_index(place, last, path)] = value
    else:
        raise ValueError(f"{path}: there is no place for {last!r}")


def _child(place: Any, part: str, path: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(part, {})
    if isinstance(place, list):
        return place[_index(place, part, path)]
    raise ValueError(f"{path}: there is no place for {part!r}")


def _index(place: list[Any], part: str, path: str) -> int:
    if not (part.isascii() and part.isdigit()) or int(part) >= len(place):
        raise ValueError(f"{path}: {part!r} is no place in a list of {len(place)}")
    return int(part)
