"""Replace tags."""

import pytest

from mailweir_spamassassin.conf.model import ReplaceTags
from mailweir_spamassassin.perl.literal import InvalidRegexError, PerlRegex
from mailweir_spamassassin.perl.tags import TagFiller

TAGS = ReplaceTags(
    tags={"A": "[a4]", "B": "(?:b|8)", "AB": "<A><B>", "LOOP": "x<LOOP>"},
    pre={"P": r"\b"}, post={"Q": "{1,2}"}, inter={"I": r"\s?"},
)  # fmt: skip


def _fill(pattern: str, tags: ReplaceTags = TAGS) -> str:
    return TagFiller(tags).fill(PerlRegex(pattern, "i")).pattern


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("plain", "plain"),
        ("<A>nd", "[a4]nd"),
        ("<A><B>", "[a4](?:b|8)"),
        ("<post Q><A><B>", "[a4]{1,2}(?:b|8){1,2}"),
        ("<inter I><A><B>", r"[a4]\s?(?:b|8)"),
        ("<inter I><post Q><A><B>", r"[a4]{1,2}\s?(?:b|8){1,2}"),
        ("<pre P><A>", r"\b[a4]"),
        ("<AB>", "[a4](?:b|8)"),
        ("<UNKNOWN>", "<UNKNOWN>"),
        ("<post NONE><A>", "[a4]"),
        ("a<b", "a<b"),
    ],
)
def test_filling(pattern: str, expected: str) -> None:
    assert _fill(pattern) == expected


def test_tags_of_tags_end() -> None:
    assert _fill("<LOOP>") == "xxxxxx<LOOP>"


def test_an_explosion_is_refused() -> None:
    tags = ReplaceTags(tags={"A": "<B>" * 200, "B": "<C>" * 200, "C": "<D>" * 200})
    with pytest.raises(InvalidRegexError, match="longer than"):
        _fill("<A>", tags)


def test_other_markers() -> None:
    tags = ReplaceTags(tags={"A": "[a4]"}, start="<T:", end=">")
    assert _fill("<T:A><A>", tags) == "[a4]<A>"
