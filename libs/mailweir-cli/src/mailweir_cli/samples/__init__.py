"""Twelve mails written for Mailweir: what `mailweir up` and `make run` send in to show what it does.

The files have LF line ends and placeholders, `load_samples` gives what goes over the wire: CRLF, dates
around `now`, and the big attachment, which is made here so that no megabyte lies in the repository.
Names and addresses are those of RFC 2606 and RFC 5737.
"""

import base64
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib import resources
from typing import Any, Final

from mailweir_core.clock import SystemClock
from mailweir_core.decision import Action

READINGS: Final = 16_000
"""Lines of the generated attachment: about 680 kB once it is encoded, more than travels inline."""

_DATE: Final = re.compile(rb"@@DATE(?:\+(\d{1,2})h)?@@")
_READINGS: Final = b"@@READINGS@@"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample mail: `content` with CRLF line ends, `expected` the actions any of which is right."""

    name: str
    title: str
    sender: str
    recipients: tuple[str, ...]
    expected: frozenset[Action]
    content: bytes


def load_samples(now: float | None = None) -> list[Sample]:
    """Return the samples in their order, dated `now` (seconds since the epoch; default: the present)."""
    moment = SystemClock().now() if now is None else now
    folder = resources.files(__name__)
    index = tomllib.loads((folder / "samples.toml").read_text(encoding="utf-8"))
    return [
        _sample(entry, (folder / entry["file"]).read_bytes(), moment) for entry in index["sample"]
    ]


def _sample(entry: Mapping[str, Any], text: bytes, now: float) -> Sample:
    return Sample(
        name=entry["file"].removesuffix(".eml"),
        title=entry["title"],
        sender=entry["sender"],
        recipients=tuple(entry["recipients"]),
        expected=frozenset(Action(a) for a in entry["expected"]),
        content=_filled(text, now).replace(b"\n", b"\r\n"),
    )


def _filled(text: bytes, now: float) -> bytes:
    def date(found: re.Match[bytes]) -> bytes:
        moment = datetime.fromtimestamp(now + 3600 * int(found[1] or 0), UTC)
        return format_datetime(moment).encode()

    text = _DATE.sub(date, text)
    if _READINGS in text:
        text = text.replace(_READINGS, base64.encodebytes("".join(_readings()).encode()).rstrip())
    return text


def _readings() -> Iterator[str]:
    yield "meter,hour,litres,pressure_kpa,temperature_c\n"
    for number in range(READINGS):
        meter, hour = divmod(number, 24 * 40)
        litres = (number * 7919) % 1487
        yield f"M-{meter:04d},{hour:05d},{litres:06d}.{number % 10},{390 + litres % 37},{11 + hour % 9}.5\n"
