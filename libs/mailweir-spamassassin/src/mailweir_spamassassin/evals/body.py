"""Tests on the text as a whole (SpamAssassin's BodyEval and VBounce)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.parts import Node

from .common import argument, number, once, view_of
from .globs import Globs

_LABEL: Final = re.compile(r"^\s*([^:\s][^:\n]{2,29})\s*:\s*\S", re.MULTILINE)
_NOT_LETTER: Final = re.compile(r"[^a-z]")
_STOCK: Final = re.compile(
    r"(^trad(?:e|ing)date|company(?:name)?|s\w?(?:t\w?o\w?c\w?k|y\w?m(?:\w?b\w?o\w?l)?)|t(?:arget|icker)"
    r"|(?:opening|current)p(?:rice)?|p(?:rojected|osition)|expectations|weeks?high|marketperformance"
    r"|(?:year|week|month|day|price)(?:target|estimates?)|sector|r(?:ecommendation|ating))$"
)
_HOSTS: Final = re.compile(rb"\s(\S+\.\S+)\s")
_RECEIVED: Final = re.compile(rb"[> ]*Received:", re.IGNORECASE)
_LONG_ENOUGH: Final = 5
_MAX_TEXT: Final = 262_144
"""Characters of a part whose words are compared."""


def _difference(context: EvalContext, arguments: tuple[str, ...]) -> int:
    share = once(view_of(context), "alternatives", _alternatives)[0]
    low, high = number(argument(arguments, 0) or ""), argument(arguments, 1) or "undef"
    return int((low == 0 or share > low) and (high == "undef" or share <= number(high)))


def _difference_count(context: EvalContext, arguments: tuple[str, ...]) -> int:
    _, text, html = once(view_of(context), "alternatives", _alternatives)
    ratio, least = number(argument(arguments, 0) or ""), number(argument(arguments, 1) or "")
    return int(html > least and text / html > ratio)


def _alternatives(view: View) -> tuple[float, int, int]:
    """Return the percentage of HTML words that the plain text lacks, and both numbers of unlike words."""
    worst, text_words, html_words = 0.0, 0, 0
    by_part = {node.part: node for node in view.nodes}
    if [node.type for node in view.nodes] == [
        "multipart/alternative",
        "text/html",
        "text/calendar",
    ]:
        return 0.0, 0, 0
    for node in view.nodes:
        if node.type != "multipart/alternative":
            continue
        below = [by_part[part] for part in node.part.walk() if part in by_part]
        texts = [found for found in below if found.is_leaf and found.type.startswith("text/")]
        html, text = _word_counts(texts)
        if not html:
            continue
        html_words, text_words = len(html), len(text)
        left = sum(1 for word, count in html.items() if word not in text or count > text[word])
        worst = max(worst, left / len(html) * 100)
    return worst, text_words, html_words


def _word_counts(nodes: list[Node]) -> tuple[Counter[str], Counter[str]]:
    html: Counter[str] = Counter()
    text: Counter[str] = Counter()
    for node in nodes:
        if not node.is_rendered:
            continue
        if node.html is None:
            text.update(_words(node.text))
            continue
        html.update(_words(node.html.rendered))
        if not html and "img" in node.html.inside:
            html["\n"] = 1  # which is no word: a page of pictures alone
    return html, text


def _words(text: str) -> Iterator[str]:
    return (word for word in text[:_MAX_TEXT].split() if any(map(_is_wordly, word)))


def _is_wordly(char: str) -> bool:
    return char.isalnum() or char == "_"


def _blank_lines(context: EvalContext, arguments: tuple[str, ...]) -> int:
    low, high = number(argument(arguments, 0) or ""), number(argument(arguments, 1) or "")
    least = max(number(argument(arguments, 2) or "1"), 1)
    blank, lines = once(view_of(context), "blank_lines", _count_lines)
    share = -1.0 if lines < least else 100 * blank / lines
    return int((low == 0 and share <= high) or low < share <= high)


def _count_lines(view: View) -> tuple[int, int]:
    lines = [
        line
        for block in view.rawbody
        for line in (block[:-1] if block.endswith(b"\n") else block).split(b"\n")
    ]
    return sum(1 for line in lines if not line.strip()), len(lines)


def _vertical_words(context: EvalContext, arguments: tuple[str, ...]) -> int:
    share = once(view_of(context), "vertical_words", _spaced)
    low, high = number(argument(arguments, 0) or ""), number(argument(arguments, 1) or "")
    return int(low <= share < (101 if high >= 100 else high))


def _spaced(view: View) -> int:
    """Return the greatest percentage of spaces per other octets of any paragraph; -1 if all are short."""
    most = -1
    for line in view.body:
        if len(line) <= _LONG_ENOUGH:
            continue
        spaces = line.count(b" ")
        others = len(line) - spaces
        most = max(most, 100 if spaces > others or not others else 100 * spaces // others)
    return most


def _stock(context: EvalContext, arguments: tuple[str, ...]) -> int:
    least = number(argument(arguments, 0) or "")
    return int(least == 0 or once(view_of(context), "stock", _stock_labels) >= least)


def _stock_labels(view: View) -> int:
    """Return how many unlike labels of a stock tip the first plain text has."""
    node = next((node for node in view.leaves if node.type == "text/plain"), None)
    if node is None or not node.is_rendered:
        return 0
    labels = (_NOT_LETTER.sub("", label.lower()) for label in _LABEL.findall(node.text[:_MAX_TEXT]))
    return len({found[1] for label in labels if (found := _STOCK.search(label))})


def _length(context: EvalContext, arguments: tuple[str, ...]) -> int:
    body = view_of(context).message.body_bytes
    return int(len(body) - body.count(b"\r\n") <= number(argument(arguments, 0) or ""))


# -- bounces ----------------------------------------------------------------------------------------------


def _bounce_relays(view: View) -> Globs:
    return Globs.of(view.site, "welcomelist_bounce_relays", "whitelist_bounce_relays")


def _have_bounce_relays(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    return int(bool(_bounce_relays(view_of(context))))


def _own_bounce(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """A Received field inside the body names one of our own relays: the bounce is of our own mail."""
    del arguments
    view = view_of(context)
    globs = _bounce_relays(view)
    if not globs:
        return 0
    lines = (*view.body, *view.message.body_bytes[:_MAX_TEXT].splitlines())
    for line in lines:
        if _RECEIVED.match(line):
            hosts = _HOSTS.findall(line[:2048] + b" ")
            if any(globs.match(host.decode("latin-1")) for host in hosts):
                return 1
    return 0


TESTS: Final[Mapping[str, EvalFunction]] = {
    "multipart_alternative_difference": _difference,
    "multipart_alternative_difference_count": _difference_count,
    "check_blank_line_ratio": _blank_lines,
    "tvd_vertical_words": _vertical_words,
    "check_stock_info": _stock,
    "check_body_length": _length,
    "have_any_bounce_relays": _have_bounce_relays,
    "check_welcomelist_bounce_relays": _own_bounce,
    "check_whitelist_bounce_relays": _own_bounce,
}
