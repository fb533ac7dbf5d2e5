"""Tests on the pictures attached: how many, how large (SpamAssassin's ImageInfo)."""

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View

from .common import argument, is_between, number, once, view_of

_TYPES: Final = {"image/gif": "gif", "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg"}
_FRAMES: Final = frozenset(
    {*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
)
_JPEG_ENDS: Final = (0xD9, 0xDA)
_MOST_SEGMENTS: Final = 1000
_ALL: Final = "all"


@dataclass(slots=True)
class _Images:
    counts: Counter[str] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    sizes: set[tuple[str, int, int]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def _images(view: View) -> _Images:
    found = _Images()
    for node in view.leaves:
        kind = _TYPES.get(node.type)
        if kind is None or node.encoding != "base64":
            continue
        height, width = dimensions(kind, node.content)
        for name in (kind, _ALL):
            found.counts[name] += 1
            if height and width:
                found.pixels[name] += height * width
                found.sizes.add((name, height, width))
        if height and width and node.name:
            found.names.add(node.name)
    return found


def dimensions(kind: str, data: bytes) -> tuple[int, int]:
    """Return a picture's height and width in pixels; zeros where they cannot be read."""
    if kind == "gif":
        if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 10:
            return 0, 0
        width, height = struct.unpack_from("<HH", data, 6)
        return height, width
    if kind == "png":
        if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 24:
            return 0, 0
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    return _jpeg(data)


def _jpeg(data: bytes) -> tuple[int, int]:
    if data[:2] != b"\xff\xd8":
        return 0, 0
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if len(data) < at + 9 or data[at] != 0xFF or data[at + 1] in _JPEG_ENDS:
            break
        if data[at + 1] in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return height, width
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2:
            break
        at += 2 + length
    return 0, 0


def _count(context: EvalContext, arguments: tuple[str, ...]) -> int:
    low = argument(arguments, 1)
    if low is None:
        return 0
    found = once(view_of(context), "images", _images)
    return int(is_between(found.counts[arguments[0]], low, argument(arguments, 2)))


def _coverage(context: EvalContext, arguments: tuple[str, ...]) -> int:
    low = argument(arguments, 1)
    if low is None:
        return 0
    found = once(view_of(context), "images", _images)
    return int(is_between(found.pixels[arguments[0]], low, argument(arguments, 2)))


def _text_ratio(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view = view_of(context)
    low, high = argument(arguments, 1), argument(arguments, 2)
    pixels = once(view, "images", _images).pixels[argument(arguments, 0) or ""]
    length = sum(map(len, view.rawbody if context.target == "rawbody" else view.body))
    if low is None or high is None or not pixels or not length:
        return 0
    return int(number(low) <= length / pixels < number(high))


def _size_exact(context: EvalContext, arguments: tuple[str, ...]) -> int:
    if len(arguments) < 3:
        return 0
    wanted = (arguments[0], int(number(arguments[1])), int(number(arguments[2])))
    return int(wanted in once(view_of(context), "images", _images).sizes)


def _size_range(context: EvalContext, arguments: tuple[str, ...]) -> int:
    if len(arguments) < 3:
        return 0
    found = once(view_of(context), "images", _images).sizes
    return int(
        any(
            is_between(height, arguments[1], argument(arguments, 3))
            and is_between(width, arguments[2], argument(arguments, 4))
            for kind, height, width in found
            if kind == arguments[0]
        )
    )


def _named(context: EvalContext, arguments: tuple[str, ...]) -> int:
    return int(argument(arguments, 0) in once(view_of(context), "images", _images).names)


TESTS: Final[Mapping[str, EvalFunction]] = {
    "image_count": _count,
    "pixel_coverage": _coverage,
    "image_to_text_ratio": _text_ratio,
    "image_size_exact": _size_exact,
    "image_size_range": _size_range,
    "image_named": _named,
}
