"""Tests on what HTML parts say and how (SpamAssassin's HTMLEval, HTTPSMismatch and URIEval)."""

import re
from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.domains import is_ip
from mailweir_spamassassin.view.html import Html
from mailweir_spamassassin.view.message import View

from .common import MAX_TEXT, argument, compare, number, pattern, text_of, view_of

_IP_LINK: Final = re.compile(r"https?:/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+", re.IGNORECASE)
_IP_TEXT: Final = re.compile(r"https:/*(?:[^@/]+@)?\d+\.\d+\.\d+\.\d+", re.IGNORECASE)
_HOST: Final = re.compile(r"https?://([^/:?#]+)", re.IGNORECASE)
_HTTPS: Final = re.compile(r"https://([^\s/:?#]+)", re.IGNORECASE)


def _test(context: EvalContext, arguments: tuple[str, ...]) -> int:
    name = argument(arguments, 0) or ""
    return int(any(page.numbers.get(name) for page in view_of(context).pages))


def _exists(context: EvalContext, arguments: tuple[str, ...]) -> int:
    return int(any(argument(arguments, 0) in page.inside for page in view_of(context).pages))


def _balance(context: EvalContext, arguments: tuple[str, ...]) -> int:
    tag, expression = argument(arguments, 0) or "", argument(arguments, 1) or ""
    depths = (page.inside.get(tag) for page in view_of(context).pages)
    return int(any(depth is not None and compare(depth, expression) for depth in depths))


def _eval(context: EvalContext, arguments: tuple[str, ...]) -> int:
    name, expression = argument(arguments, 0) or "", argument(arguments, 1) or ""
    values = (page.numbers.get(name) for page in view_of(context).pages)
    return int(any(value is not None and compare(value, expression) for value in values))


def _range(context: EvalContext, arguments: tuple[str, ...]) -> int:
    name, low = argument(arguments, 0) or "", number(argument(arguments, 1) or "0")
    high = argument(arguments, 2)
    most = float("inf") if high in (None, "inf") else number(high or "")
    values = (page.numbers.get(name) for page in view_of(context).pages)
    return int(any(value is not None and low < value <= most for value in values))


def _text(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view, name = view_of(context), argument(arguments, 0) or ""
    wanted = pattern(view, argument(arguments, 1) or "")
    if wanted is None:
        return 0
    texts = (text for page in view.pages for text in page.texts.get(name, ()))
    return int(any(wanted.search(text[:MAX_TEXT]) for text in texts))


def _image_only(context: EvalContext, arguments: tuple[str, ...]) -> int:
    low, high = number(argument(arguments, 0) or ""), number(argument(arguments, 1) or "")
    return int(
        any(
            "img" in page.inside and low < page.numbers["length"] <= high
            for page in view_of(context).pages
        )
    )


def _image_ratio(context: EvalContext, arguments: tuple[str, ...]) -> int:
    low, high = number(argument(arguments, 0) or ""), number(argument(arguments, 1) or "")
    for page in view_of(context).pages:
        area = page.numbers["image_area"]
        if area > 0 and low < page.numbers["non_space_len"] / area <= high:
            return 1
    return 0


def _title_ratio(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view, most = view_of(context), number(argument(arguments, 0) or "")
    subject = text_of(view, "Subject")
    if not subject:
        return 0
    titles = (
        len(title.encode("utf-8", "replace"))
        for page in view.pages
        for title in page.texts["title"]
    )
    return int(max(titles, default=0) / len(subject) > most)


def _charset_faraway(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """Never hit: SpamAssassin does not hand on the charsets that this test would look at."""
    del context, arguments
    return 0


def _iframe(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    pages = view_of(context).pages
    return int(any("iframe" in target.types for page in pages for target in page.targets.values()))


def _https_mismatch(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view = view_of(context)
    least = number(argument(arguments, 0) or "1") or 1
    most = argument(arguments, 1)
    for page in view.pages:
        hit, anchors = _mismatches(view, page)
        if hit and anchors >= least and (most is None or anchors < number(most)):
            return 1
    return 0


def _mismatches(view: View, page: Html) -> tuple[bool, int]:
    """Say whether a text names another domain than its link leads to, and how many links have texts."""
    hit, anchors, domains = False, 0, view.site.domains
    for uri, target in page.targets.items():
        found = _HOST.match(uri) if target.anchors else None
        if found is None or is_ip(found[1]) or not domains.is_valid(domains.registered(found[1])):
            continue
        anchors += 1
        domain = domains.registered(found[1])
        hit = hit or any(_names_other(view, text, domain) for text in target.anchors)
    return hit, anchors


def _names_other(view: View, text: str, domain: str) -> bool:
    found = _HTTPS.search(text[:MAX_TEXT]) if "://" in text else None
    if found is None:
        return False
    host, domains = found[1], view.site.domains
    if is_ip(host):
        return host != domain
    named = domains.registered(host)
    return domains.is_valid(named) and named != domain


def _https_ip_mismatch(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    for page in view_of(context).pages:
        for uri, target in page.targets.items():
            if _IP_LINK.match(uri) and any(_names_https(text) for text in target.anchors):
                return 1
    return 0


def _names_https(text: str) -> bool:
    return "https:" in text[:MAX_TEXT].lower() and not _IP_TEXT.match(text)


def _truncated(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    return int(view_of(context).addresses.truncated)


TESTS: Final[Mapping[str, EvalFunction]] = {
    "html_test": _test,
    "html_tag_exists": _exists,
    "html_tag_balance": _balance,
    "html_eval": _eval,
    "html_range": _range,
    "html_text_match": _text,
    "html_image_only": _image_only,
    "html_image_ratio": _image_ratio,
    "html_title_subject_ratio": _title_ratio,
    "html_charset_faraway": _charset_faraway,
    "check_iframe_src": _iframe,
    "check_https_http_mismatch": _https_mismatch,
    "check_https_ip_mismatch": _https_ip_mismatch,
    "check_uri_truncated": _truncated,
}
