"""What script and language a text seems to be of: enough to know what a model was not taught."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ENGLISH: Final = frozenset(
    {
        "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be",
        "by", "on", "not", "he", "i", "this", "are", "or", "his", "from", "at", "which", "but",
        "have", "an", "had", "they", "you", "were", "their", "one", "all", "we", "can", "her",
        "has", "there", "been", "if", "more", "when", "will", "would", "who", "so", "no", "out",
        "up", "into", "them", "than", "then", "some", "what", "only", "do", "my", "your", "our",
        "me", "about", "how", "its", "any", "please", "here",
    }
)  # fmt: skip
"""Function words: in English prose every third word is one of them, in other languages every twentieth."""

_SCRIPTS: Final = (
    ("latin", re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")),
    ("cyrillic", re.compile(r"[\u0400-\u052f]")),
    ("greek", re.compile(r"[\u0370-\u03ff]")),
    ("hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("arabic", re.compile(r"[\u0600-\u06ff\u0750-\u077f]")),
    ("indic", re.compile(r"[\u0900-\u0dff]")),
    ("thai", re.compile(r"[\u0e00-\u0e7f]")),
    ("cjk", re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")),
)
_SAMPLE: Final = 4_000
_FEW_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class Language:
    """The main script (empty without letters), its share of the letters, and the share of English words.

    `english` is the share of function words among all words, `words` how many words it was counted over.
    """

    script: str
    share: float
    english: float
    words: int

    @property
    def is_english(self) -> bool:
        """Say whether it reads as English; a text of few words is judged by its script alone."""
        if self.script != "latin":
            return not self.script
        if self.words < _FEW_WORDS:
            return self.share > 0.9
        return self.share > 0.9 and self.english >= 0.14


def language_of(text: str, words: Sequence[str]) -> Language:
    """Return what a text seems to be of; only its first characters are counted."""
    sample = text[:_SAMPLE]
    script, share = ("latin", 1.0) if sample.isascii() else _script(sample)
    if sample.isascii() and not any(c.isalpha() for c in sample[:500]):
        script, share = "", 0.0
    letters = [w for w in words[:600] if w[0].isalpha()]
    english = sum(map(ENGLISH.__contains__, letters)) / max(1, len(letters))
    return Language(script, share, english, len(letters))


def _script(sample: str) -> tuple[str, float]:
    counts = Counter({name: len(found.findall(sample)) for name, found in _SCRIPTS})
    total = counts.total()
    if not total:
        return "", 0.0
    # One letter of Chinese says as much as several of an alphabet.
    counts["cjk"] *= 3
    name, count = counts.most_common(1)[0]
    return name, count / counts.total()
