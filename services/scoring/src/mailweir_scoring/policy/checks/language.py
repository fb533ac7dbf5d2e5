"""Scripts and character sets that the tenant does not use (policy lists; empty: all are welcome)."""

from collections.abc import Iterator
from typing import Final

from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.letters import scripts_of
from mailweir_scoring.policy.pipeline import check

FEW_LETTERS: Final = 20
SHARE: Final = 0.3
"""Of the letters, in a script that no wanted language is written in."""
LOOKED_AT: Final = 4000
LANGUAGES: Final = {
    "ru": ("cyrillic",), "uk": ("cyrillic",), "bg": ("cyrillic",), "sr": ("cyrillic", "latin"),
    "be": ("cyrillic",), "mk": ("cyrillic",),
    "el": ("greek",), "he": ("hebrew",), "yi": ("hebrew",),
    "ar": ("arabic",), "fa": ("arabic",), "ur": ("arabic",),
    "hi": ("devanagari",), "mr": ("devanagari",), "ne": ("devanagari",),
    "bn": ("bengali",), "ta": ("tamil",), "th": ("thai",),
    "ka": ("georgian",), "hy": ("armenian",), "ja": ("kana", "han"), "ko": ("hangul", "han"), "zh": ("han",),
}  # fmt: skip
"""By ISO 639-1 code: the scripts of a language; any other is written in Latin letters."""


@check("SCRIPT_UNWANTED", "CHARSET_FORBIDDEN")
def unwanted(facts: Facts) -> Iterator[Hit]:
    """A text mostly in a script of no wanted language, or in a character set that is not wanted."""
    policy = facts.policy
    if policy.languages:
        wanted = {s for code in policy.languages for s in LANGUAGES.get(code, ("latin",))} | {
            "latin"
        }
        letters = scripts_of(facts.message.subject + view_of(facts).shown[:LOOKED_AT])
        others = sum(count for script, count in letters.items() if script not in wanted)
        if others >= FEW_LETTERS and others > SHARE * sum(letters.values()):
            strange = max((s for s in letters if s not in wanted), key=lambda s: letters[s])
            yield Hit("SCRIPT_UNWANTED", strange)
    if policy.forbidden_charsets:
        for part in facts.texts:
            charset = (part.content_type.get("charset") or "").lower()
            if charset in policy.forbidden_charsets:
                yield Hit("CHARSET_FORBIDDEN", charset)
                return
