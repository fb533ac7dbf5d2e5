"""Replace tags: `<A>` in a pattern stands for every way to write an A. Filled in before compiling."""

import re
from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.conf.model import ReplaceTags
from mailweir_spamassassin.limits import MAX_PATTERN_CHARS, MAX_REPLACE_PASSES
from mailweir_spamassassin.perl.literal import InvalidRegexError, PerlRegex

_ANY_TAG: Final = re.compile(r"(<[^<>]+>)")


class TagFiller:
    """Fills in the tags of one set of rule files."""

    def __init__(self, tags: ReplaceTags) -> None:
        """Prepare the markers, which rule files may choose."""
        self._tags = tags
        start, end = re.escape(tags.start), re.escape(tags.end)
        self._modifiers: Mapping[str, re.Pattern[str]] = {
            kind: re.compile(f"{start}{kind} (.+?){end}") for kind in ("pre", "inter", "post")
        }
        self._tag = re.compile(f"{start}(.+?){end}")

    def fill(self, regex: PerlRegex) -> PerlRegex:
        """Return the pattern with its tags replaced, and theirs, a few levels deep. Raises InvalidRegexError.

        `<pre X>`, `<post X>` and `<inter X>` are taken off and put before, behind, or between tags.
        """
        pattern = regex.pattern
        for _ in range(MAX_REPLACE_PASSES):
            filled, again = self._pass(pattern)
            if len(filled) > MAX_PATTERN_CHARS:
                raise InvalidRegexError(
                    f"longer than {MAX_PATTERN_CHARS} characters with its tags replaced"
                )
            pattern = filled
            if not again:
                break
        return PerlRegex(pattern, regex.flags)

    def _pass(self, pattern: str) -> tuple[str, bool]:
        pattern, pre = self._take("pre", pattern, self._tags.pre)
        pattern, post = self._take("post", pattern, self._tags.post)
        pattern, inter = self._take("inter", pattern, self._tags.inter)
        pieces = _ANY_TAG.split(pattern)
        if inter:
            # Between two adjacent tags the split leaves an empty piece.
            pieces[1:-1] = [piece or inter for piece in pieces[1:-1]]
        again = False
        for i, piece in enumerate(pieces):
            pieces[i], more = self._piece(piece, pre, post)
            again = again or more
        return "".join(pieces), again

    def _take(self, kind: str, pattern: str, texts: Mapping[str, str]) -> tuple[str, str]:
        found = self._modifiers[kind].search(pattern)
        if found is None:
            return pattern, ""
        return pattern[: found.start()] + pattern[found.end() :], texts.get(found[1], "")

    def _piece(self, piece: str, pre: str, post: str) -> tuple[str, bool]:
        found = self._tag.search(piece)
        if found is None:
            return piece, False
        text = self._tags.tags.get(found[1], "")
        whole = pre + (text or found[0]) + post
        again = bool(text) and self._tag.search(text) is not None
        return piece[: found.start()] + whole + piece[found.end() :], again
