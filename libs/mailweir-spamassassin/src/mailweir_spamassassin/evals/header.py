"""Tests on single header fields and dates (SpamAssassin's HeaderEval)."""

import re
from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View

from .common import all_of, argument, number, once, text_of, view_of
from .dates import parse_date
from .gated import is_gated

_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]")
_EXEMPT: Final = re.compile("[\xa2\xa3\xae]")
_REPLY: Final = re.compile(r"\A(?:(?:Re|Fwd|Fw|Aw|Antwort|WG|SV|VB|VS|VL):\s*)+", re.IGNORECASE)
_LETTERS: Final = re.compile(r"[^a-zA-Z]")
CAPS_CHARSETS: Final = (
    r"[-_a-z0-9]*(?:koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis)"
    r"[-_a-z0-9]*"
)
_CAPS_WORD: Final = re.compile(rf"=\?{CAPS_CHARSETS}\?", re.IGNORECASE)
_RECEIVED_DATE: Final = re.compile(r"(\s.?\d+ \S\S\S \d+ \d+:\d+:\d+ \S+)")
_LOCAL_HOP: Final = re.compile(
    r"\bfrom (?:localhost\s|(?:\S+ ){1,2}\S*\b127\.0\.0\.1\b)|qmail \d+ invoked by uid \d+"
)
_FETCHED_HOP: Final = re.compile(r"\bby localhost with \w+ \(fetchmail-[\d.]+")
_TEMPLATE: Final = re.compile(r"%[A-Z][A-Z_-]")
_FREE_FORM: Final = re.compile(
    r"(?:X-VMS-To|X-UIDL|X-Face|To|Cc|From|Subject|References|In-Reply-To|(?:X-|Resent-|X-Original-)?Message-Id):",
    re.IGNORECASE,
)
_OUTLOOK_ID: Final = re.compile(r"<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@")
_NAME_ID: Final = re.compile(r"<[A-Z]{28}\.([^>]+?)>")
# Outlook counts a quarter of an hour in 2^32/… ticks: from seconds since 1970 to the number in its ids.
_TICKS, _TICKS_AT_1970 = 0.0023283064365387, 27111902.8329849
_FUDGE: Final = 250
_SHORTEST: Final = 10
_HOUR: Final = 3600
_MAX_SUBJECT: Final = 1000


def _illegal_chars(context: EvalContext, arguments: tuple[str, ...]) -> int:
    name = (argument(arguments, 0) or "").removesuffix(":raw")
    text = text_of(view_of(context), name, "raw")
    if not text.strip() or (not text.isascii() and not _CONTROLS.search(text) and _is_utf8(text)):
        return 0
    illegal = len(_ILLEGAL.findall(text))
    if illegal and name.lower() == "subject" and len(_EXEMPT.findall(text)) == 1:
        illegal -= 1
    ratio, count = number(argument(arguments, 1) or ""), number(argument(arguments, 2) or "")
    return int(illegal / len(text) >= ratio and illegal >= count)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return False
    return True


def _all_caps(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    subject = _REPLY.sub("", text_of(view, "Subject")[:_MAX_SUBJECT].strip())
    if len(subject.split()) < 2 or len(subject) < _SHORTEST:
        return 0
    letters = _LETTERS.sub("", subject)
    return int(
        bool(letters)
        and letters.isupper()
        and not _CAPS_WORD.search(text_of(view, "Subject", "raw"))
    )


def _missing_to(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    return int(not (text_of(view, "To") or text_of(view, "Apparently-To")))


def _count_range(context: EvalContext, arguments: tuple[str, ...]) -> int:
    count = len(set(view_of(context).headers_all(argument(arguments, 0) or "")))
    low, high = number(argument(arguments, 1) or ""), number(argument(arguments, 2) or "")
    return int(low <= count <= high)


def _unresolved_template(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    lines = text_of(view_of(context), "ALL").split("\n")
    return int(any(_TEMPLATE.search(line) and not _FREE_FORM.match(line) for line in lines))


def _ratware_name_id(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    found = _NAME_ID.search(text_of(view, "MESSAGEID"))
    if found is None:
        return 0
    return int(re.search(rf'"[^"]+"\s*<{re.escape(found[1])}>', text_of(view, "From")) is not None)


def _outlook_id(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """An id of Outlook's form whose time is neither that of Date nor of Received."""
    del arguments
    view = view_of(context)
    found = _OUTLOOK_ID.match(text_of(view, "MESSAGEID"))
    if found is None:
        return 0
    ticks = int(found[1], 16)
    if _is_near(ticks, parse_date(text_of(view, "Date"))):
        return 0
    received = text_of(view, "Received")
    dated = _RECEIVED_DATE.search(received)
    return int(not _is_near(ticks, parse_date(dated[1] if dated else "")))


def _is_near(ticks: int, seconds: float | None) -> bool:
    return abs(ticks - int((seconds or 0) * _TICKS + _TICKS_AT_1970)) < _FUDGE


# -- dates ------------------------------------------------------------------------------------------------


def _shifted_date(context: EvalContext, arguments: tuple[str, ...]) -> int:
    shift = once(view_of(context), "date_shift", _date_shift)
    low, high = argument(arguments, 0) or "undef", argument(arguments, 1) or "undef"
    return int(
        (low == "undef" or shift >= _HOUR * number(low))
        and (high == "undef" or shift < _HOUR * number(high))
    )


def _date_shift(view: View) -> float:
    """Return how many seconds Date is after the nearest time that a Received field tells; 0 if unknown."""
    dates = [*all_of(view, "Resent-Date"), *all_of(view, "Date")]
    sent = next(
        (time for text in dates if text.strip() and (time := parse_date(text)) is not None), None
    )
    times = _received_times(view)
    if sent is None or not times:
        return 0
    shifts = [sent - time for time in times]
    if len(shifts) > 1 and shifts[-1] == 0:
        shifts.pop()
    return min(shifts, key=abs)


def _received_times(view: View) -> list[float]:
    lines = [line for line in text_of(view, "Received").split("\n") if line.strip()]
    local = []
    if lines and _LOCAL_HOP.search(lines[0]):
        local.append(lines.pop(0))
    if lines and _FETCHED_HOP.search(lines[0]):
        lines.pop(0)
    elif local:
        lines.insert(0, local.pop())
    found = (_RECEIVED_DATE.search(line) for line in lines)
    times = (parse_date(match[1]) for match in found if match)
    return [time for time in times if time is not None]


def _gated(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    return int(is_gated(view_of(context)))


TESTS: Final[Mapping[str, EvalFunction]] = {
    "check_illegal_chars": _illegal_chars,
    "subject_is_all_caps": _all_caps,
    "check_for_missing_to_header": _missing_to,
    "check_header_count_range": _count_range,
    "check_unresolved_template": _unresolved_template,
    "check_ratware_name_id": _ratware_name_id,
    "check_outlook_message_id": _outlook_id,
    "check_for_shifted_date": _shifted_date,
    "gated_through_received_hdr_remover": _gated,
}
