"""Dates as SpamAssassin reads them: leniently, and forced into range."""

import re
from calendar import monthrange, timegm
from typing import Final

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_MONTH: Final = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DAY_FIRST: Final = re.compile(rf" (\d{{1,9}}) {_MONTH} (\d{{4}}) ", re.IGNORECASE)
_UNIX: Final = re.compile(rf" {_MONTH} +(\d{{1,9}}) \d+:\d+:\d+ (\d{{4}}) ", re.IGNORECASE)
_SHORT_YEAR: Final = re.compile(rf" (\d{{1,9}}) {_MONTH} (\d{{2,3}}) ", re.IGNORECASE)
_TIME: Final = re.compile(r" (\d?\d):(\d\d)(?::(\d\d))? ")
_OFFSET: Final = re.compile(r" ([-+])(\d\d)(\d\d) ")
_ZONE: Final = re.compile(r"\b([A-Z]{2,4}(?:-DST)?)\b")
_ZONES: Final = {
    "UT": 0, "UTC": 0, "GMT": 0, "WET": 0, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420,
    "MDT": -360, "PST": -480, "PDT": -420, "HST": -600, "AKST": -540, "AKDT": -480, "AST": -240, "ADT": -180,
    "NST": -210, "NDT": -150, "BST": 60, "WEST": 60, "CET": 60, "MET": 60, "MEZ": 60, "MEWT": 60, "CEST": 120,
    "MEST": 120, "EET": 120, "SST": -660, "EEST": 180, "MSK": 180, "MSD": 240, "IST": 330, "ICT": 420,
    "HKT": 480, "WAST": 420, "JST": 540, "KST": 540, "AEST": 600, "EADT": 660, "NZST": 720, "NZDT": 780,
}  # fmt: skip
_FIRST_YEAR, _LAST_YEAR = 1970, 2037
_MAX_DATE: Final = 1000
_CENTURY_TURN: Final = 50


def parse_date(text: str) -> float | None:
    """Return seconds since 1970 of a date in a header; None where there is no day, month and year."""
    text = " " + " ".join(text[:_MAX_DATE].replace(",", ", ").split()) + " "
    text = text.replace(", ", " ")
    day = _day(text)
    if day is None:
        return None
    year, month, date, text = day
    time = _TIME.search(text)
    hour, minute, second = (int(part or 0) for part in time.groups()) if time else (0, 0, 0)
    if time:
        text = text[: time.start()] + " " + text[time.end() :]
    clock = (min(hour, 23), min(minute, 59), min(second, 59))
    seconds = timegm((year, month, max(date, 1), *clock)) - 60 * _offset(text)
    return float(max(seconds, 0))


def _day(text: str) -> tuple[int, int, int, str] | None:
    for pattern in (_DAY_FIRST, _UNIX, _SHORT_YEAR):
        found = pattern.search(text)
        if found:
            break
    else:
        return None
    first, second, years = found.groups()
    date, month = (int(second), first) if pattern is _UNIX else (int(first), second)
    year = int(years)
    if len(years) == 2 and year < _CENTURY_TURN:
        year += 2000
    elif len(years) != 4:
        year += 1900
    number = _MONTHS[month.lower()]
    if date > monthrange(min(max(year, 1), 9999), number)[1]:
        date, number = 1, number + 1
        if number > 12:
            year, number = year + 1, 1
    year = min(max(year, _FIRST_YEAR), _LAST_YEAR)
    return year, number, date, text[: found.start()] + " " + text[found.end() :]


def _offset(text: str) -> int:
    """Return minutes east of Greenwich."""
    found = _OFFSET.search(text)
    if found:
        minutes = int(found[2]) * 60 + int(found[3])
        return minutes if found[1] == "+" else -minutes
    zone = _ZONE.search(text)
    return _ZONES.get(zone[1], 0) if zone else 0
