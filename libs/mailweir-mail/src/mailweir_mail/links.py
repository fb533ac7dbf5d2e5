"""Links in running text, as clients make them clickable."""

import re
from collections.abc import Iterator
from typing import Final

from .markup import Link, LinkPlace

CLICKED: Final = frozenset(
    {LinkPlace.TEXT, LinkPlace.ANCHOR, LinkPlace.AREA, LinkPlace.FORM, LinkPlace.REFRESH}
)
"""Links that a reader follows; images and style sheets load by themselves or not at all."""

# The rare marks are sought, not each letter tried: a mail is long and its links are few.
_SCHEMES: Final = ("https", "http", "ftp")
_STARTS: Final = (("www.", "WWW.", "Www."), ("mailto:", "MAILTO:", "Mailto:"))
_URL: Final = re.compile(r"[^\s<>\"'`{}|\\^\x00-\x1f\x7f]++")
_LONGEST: Final = 4000
_TRAILING: Final = ".,;:!?*_~'\""
_PAIRS: Final = {")": "(", "]": "["}


def find_links(text: str, most: int) -> Iterator[Link]:
    """Go through the links in `text`, at most `most`; a bare `www.` name is given as it stands."""
    end = count = 0
    for start in _starts(text, most):
        found = _URL.match(text, start, start + _LONGEST) if start >= end else None
        if found is None:
            continue
        end = found.end()
        url = _trim(found[0])
        if len(url) > len("http://"):
            count += 1
            yield Link(url, place=LinkPlace.TEXT)
        if count >= most:
            return


def _starts(text: str, most: int) -> list[int]:
    starts = [at - len(name) for at in _find(text, "://", most) if (name := _scheme(text, at))]
    # Lower case is made at the speed of copying if the text is ASCII, and most texts have no mark at all.
    lower = text.lower() if text.isascii() else ""
    for spellings in _STARTS:
        if lower and spellings[0] not in lower:
            continue
        for mark in spellings:
            found = _find(text, mark, most)
            starts.extend(at for at in found if not at or not text[at - 1].isalnum())
    starts.sort()
    return starts


def _scheme(text: str, at: int) -> str:
    before = text[max(0, at - len("https")) : at].lower()
    name = next((name for name in _SCHEMES if before.endswith(name)), "")
    # A letter before it makes it another scheme, or the end of a word.
    start = at - len(name)
    return "" if not name or (start and text[start - 1].isalnum()) else name


def _find(text: str, mark: str, most: int) -> Iterator[int]:
    at = text.find(mark)
    for _ in range(most):
        if at < 0:
            return
        yield at
        at = text.find(mark, at + len(mark))


def _trim(url: str) -> str:
    """Take off what belongs to the sentence: punctuation, and a closing bracket that was not opened."""
    surplus = {close: url.count(close) - url.count(begin) for close, begin in _PAIRS.items()}
    end = len(url)
    while end and (url[end - 1] in _TRAILING or surplus.get(url[end - 1], 0) > 0):
        if url[end - 1] in surplus:
            surplus[url[end - 1]] -= 1
        end -= 1
    return url[:end]
