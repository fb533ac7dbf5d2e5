"""Regular expressions as rule files write them."""

import pytest

from mailweir_spamassassin.limits import MAX_PATTERN_CHARS
from mailweir_spamassassin.perl.literal import InvalidRegexError, PerlRegex, read_literal


@pytest.mark.parametrize(
    ("text", "pattern", "flags"),
    [
        ("/a/", "a", ""),
        ("/a/i", "a", "i"),
        ("/a/smxi", "a", "imsx"),
        (r"/a\/b/", r"a\/b", ""),
        ("m{a{2}}i", "a{2}", "i"),
        ("m(a(b))", "a(b)", ""),
        ("m<a>", "a", ""),
        ("m[a[b]]", "a[b]", ""),
        ("m'a'", "a", ""),
        ("m!a/b!", "a/b", ""),
        ("m,a,", "a", ""),
        ("qr/a/", "a", ""),
        ("/a/aip", "a", "i"),
        ("//", "", ""),
    ],
)
def test_literals(text: str, pattern: str, flags: str) -> None:
    assert read_literal(text) == PerlRegex(pattern, flags)


@pytest.mark.parametrize(
    "text",
    ["", "a", "/a", "ma", "m\\a\\", "/a/b/", "/a/k", "/a/ i", "s/a/b/", "/(?{ die })/", "/(??{ 1 })/", "m{a",
     "/" + "a" * (MAX_PATTERN_CHARS + 1) + "/"],
)  # fmt: skip
def test_what_is_no_literal(text: str) -> None:
    with pytest.raises(InvalidRegexError):
        read_literal(text)
