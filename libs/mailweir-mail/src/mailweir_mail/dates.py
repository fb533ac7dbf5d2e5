"""Dates of header fields: RFC 5322 §3.3 and §4.3, and the other forms that are found in mail."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_LONGEST: Final = 200  # characters; a date is some thirty
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        start=1,
    )
}
_ZONES: Final = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "met": 60, "mez": 60,
    "cest": 120, "mest": 120, "mesz": 120, "eet": 120, "eest": 180, "msk": 180, "msd": 240, "jst": 540,
    "kst": 540, "hkt": 480, "sgt": 480, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780, "est": -300,
    "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "hst": -600,
    "akst": -540, "akdt": -480, "ist": 330,
}  # fmt: skip
_ZONE: Final = r"(?:[A-Za-z]{0,3}[ ]?([+-])\s?(\d{1,2}):?(\d{2})|([A-Za-z]{1,5}))?"
_TIME: Final = r"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2}))?(?:[.,]\d{1,9})?\s{0,9}([AaPp][Mm])?"
_RFC: Final = re.compile(
    rf"(?:[^\W\d]{{2,10}}\.?,?\s{{0,9}})?,?\s{{0,9}}(\d{{1,2}})[\s/-]{{0,9}}([A-Za-z]{{3,10}})\.?[\s/,-]{{0,9}}(\d{{2,4}}),?\s{{1,9}}{_TIME}\s{{0,9}}{_ZONE}"
)
_ASCTIME: Final = re.compile(
    rf"(?:[A-Za-z]{{2,9}},?\s{{1,9}})?([A-Za-z]{{3,10}})\s{{1,9}}(\d{{1,2}}),?\s{{1,9}}(?:(\d{{4}})\s{{1,9}})?{_TIME}\s{{0,9}}{_ZONE}(?:\s{{0,9}}(\d{{4}}))?"
)
_ISO: Final = re.compile(
    rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}})[T\s,]{{1,9}}{_TIME}\s{{0,9}}{_ZONE}"
)
_COMMENT: Final = re.compile(r"\([^()]*\)")
_COMMENT_DEPTH: Final = 3
_MINUTES_A_DAY: Final = 24 * 60


def parse_date(text: str) -> datetime | None:
    """Return the moment with its offset, or None where there is no date in `text`.

    A zone that is missing or unknown counts as UTC (RFC 5322 §4.3). A two-digit year is of 1950 to 2049.
    """
    text = text[:_LONGEST]
    for _ in range(_COMMENT_DEPTH if "(" in text else 0):
        text = _COMMENT.sub(" ", text)
    text = text.strip()
    if found := _RFC.match(text):
        day, month, year, *clock = found.groups()
        return _moment(_year(year), _MONTHS.get(month[:3].lower()), day, clock)
    if found := _ASCTIME.match(text):
        month, day, early, *clock = found.groups()
        year = early or clock.pop()
        return _moment(int(year), _MONTHS.get(month[:3].lower()), day, clock[:8]) if year else None
    if found := _ISO.match(text):
        year, month, day, *clock = found.groups()
        return _moment(int(year), int(month), day, clock)
    return None


def _year(text: str) -> int:
    year = int(text)
    if len(text) >= 4:
        return year
    if len(text) == 3:
        return 1900 + year
    return year + (2000 if year < 50 else 1900)


def _moment(year: int, month: int | None, day: str, clock: list[str | None]) -> datetime | None:
    hour, minute, second, half, sign, off_hours, off_minutes, name = clock
    if month is None:
        return None
    hours = int(hour or 0)
    if half:
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    offset = int(off_hours or 0) * 60 + int(off_minutes or 0)
    minutes = -offset if sign == "-" else offset if sign else _ZONES.get((name or "").lower(), 0)
    zone = timezone(timedelta(minutes=minutes)) if 0 < abs(minutes) < _MINUTES_A_DAY else UTC
    try:
        # A leap second is shown as the last second of its minute.
        return datetime(
            year, month, int(day), hours, int(minute or 0), min(int(second or 0), 59), tzinfo=zone
        )
    except ValueError:
        return None
