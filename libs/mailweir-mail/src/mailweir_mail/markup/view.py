"""Render a document: through a real HTML tree where that is safe, tag by tag where it is not."""

import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from mailweir_mail.defects import DefectKind
from mailweir_mail.limits import ParseLimits

from .collect import MARKS, Collector, State
from .model import HtmlView
from .style import EMPTY_SHEET, MAX_SHEET, parse_sheet
from .tokens import feed, is_crowded

# HTML's own rules make a tree builder's work grow with the square of three numbers: nesting (a `<p>` looks
# for an open one through all levels), attributes of one tag (each is compared with those before it), and
# formatting elements left open (each later paragraph gets copies of all). So these are bounded before a
# tree is built; 99 of 100 HTML mails are far below.
_MAX_COPIES: Final = 200_000  # formatting start tags x tags: the most nodes that copying could make
_MAX_SEPARATORS: Final = (
    20_000  # blanks, slashes and quotes: more than that many attributes cannot be
)
_FEW_SEPARATORS: Final = 9_000  # so few that all may stand in one tag
# a b i s u, big, code, em, font, nobr, small/strike/strong, tt; both cases, as re.IGNORECASE is far slower
_FORMATTING: Final = re.compile(
    r"<(?:[AaBbIiSsUu][\s/>]|[Bb][Ii][Gg]|[Cc][Oo][Dd][Ee]|[Ee][Mm][\s/>]|[Ff][Oo][Nn]|[Nn][Oo][Bb]"
    r"|[Ss][MmTt][AaRr]|[Tt][Tt])"
)
_Level = tuple[LexborNode, str, State]


def render(html: str, limits: ParseLimits) -> HtmlView:
    """Return what `html` shows and hides; never raises. Time is linear in the length."""
    if not html or html.isspace():
        return HtmlView()
    if not _tree_is_safe(html, limits.html_tags):
        return _read(html, limits)
    try:
        tree = LexborHTMLParser(html)
    except (
        SelectolaxError,
        ValueError,
        RuntimeError,
    ):  # what Lexbor cannot take is read tag by tag
        return _read(html, limits)
    return _walk(tree, limits)


def _read(html: str, limits: ParseLimits) -> HtmlView:
    collector, complete = feed(html, limits)
    kinds = (
        (DefectKind.HTML_TREE_LIMIT,)
        if complete
        else (DefectKind.HTML_TREE_LIMIT, DefectKind.HTML_LIMIT)
    )
    return collector.view(tree=False, defects=kinds)


def _tree_is_safe(html: str, most_tags: int) -> bool:
    tags = html.count("<")
    if tags > most_tags:
        return False
    if (
        tags * tags > _MAX_COPIES
        and sum(1 for _ in _FORMATTING.finditer(html)) * tags > _MAX_COPIES
    ):
        return False
    if len(html) <= _FEW_SEPARATORS:
        return True
    octets = html.encode("utf-8", "replace")
    separators = len(octets) - len(octets.translate(None, b" \n\t\r\f/\"'"))
    return separators <= _FEW_SEPARATORS or (separators <= _MAX_SEPARATORS and not is_crowded(html))


def _walk(tree: LexborHTMLParser, limits: ParseLimits) -> HtmlView:
    """Go through the tree without recursion; only what matters is told to the collector one by one."""
    sheets = "\n".join(node.text() for node in tree.css("style"))
    sheet = parse_sheet(sheets[:MAX_SHEET]) if sheets else EMPTY_SHEET
    collector = Collector(limits, sheet)
    state, matters, enter = State(), collector.matters, collector.enter
    add, met, mark_of = collector.out.append, collector.elements.append, MARKS.get
    parents: list[_Level] = []
    node: LexborNode | None = tree.root
    while node is not None:
        tag = node.tag or ""
        if tag == "-text":
            if state.shown:
                add(node.text_content or "")
            else:
                collector.text(node.text_content or "", state)
        elif tag == "-comment":
            collector.comment(node.comment_content or "")
        else:
            met(tag)
            mark = mark_of(tag)
            if mark is not None:
                add(mark)
            attributes = node.attributes
            inside = enter(tag, attributes, state) if attributes or tag in matters else state
            child = node.child
            if child is not None:
                parents.append((node, tag, state))
                node, state = child, inside
                continue
            if tag == "a":
                collector.leave_anchor()
        following = node.next
        if following is not None:
            node = following
        else:
            node, state = _climb(parents, state, collector)
    return collector.view(tree=True)


def _climb(
    parents: list[_Level], state: State, collector: Collector
) -> tuple[LexborNode | None, State]:
    """End elements until one has something after it."""
    while parents:
        node, tag, state = parents.pop()
        mark = MARKS.get(tag)
        if mark is not None:
            collector.out.append(mark)
        elif tag == "a":
            collector.leave_anchor()
        following = node.next
        if following is not None:
            return following, state
    return None, state
