"""Lists of addresses or hosts in which `*` and `?` stand for anything and for one character."""

import re
from collections.abc import Iterable
from typing import Final

from mailweir_spamassassin.view.site import Site

MAX_TEXT: Final = 512
_REMOVED: Final = "un"


class Globs:
    """One list: plain entries looked up, the others matched as one pattern."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take the entries in lower case."""
        words = dict.fromkeys(words)
        self._plain = frozenset(word for word in words if not {"*", "?"} & set(word))
        globs = [_translated(word) for word in words if word not in self._plain]
        self._pattern = re.compile("|".join(globs)) if globs else None

    def __bool__(self) -> bool:
        """Say whether the list has entries."""
        return bool(self._plain) or self._pattern is not None

    def match(self, text: str) -> bool:
        """Say whether an entry fits the whole text, without regard to case."""
        text = text.lower()[:MAX_TEXT]
        if text in self._plain:
            return True
        return self._pattern is not None and self._pattern.fullmatch(text) is not None

    @classmethod
    def of(cls, site: Site, *names: str) -> "Globs":
        """Return the list of settings of these names, those taken back (`unwelcomelist_from`) left out."""
        lists: dict[tuple[str, ...], Globs] = site.cache.setdefault("globs", {})
        if names not in lists:
            removed = site.words(*(_REMOVED + name for name in names))
            lists[names] = cls(word for word in site.words(*names) if word not in removed)
        return lists[names]


def _translated(word: str) -> str:
    """A run of stars is one star, so that no pattern is slower than its stars are many."""
    escaped = re.escape(re.sub(r"\*+", "*", word))
    return escaped.replace(r"\*", ".*").replace(r"\?", ".")
