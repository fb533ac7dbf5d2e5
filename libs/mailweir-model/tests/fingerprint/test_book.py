"""The book of known fingerprints."""

import random
from dataclasses import replace

import pytest

from mailweir_model.fingerprint import BANDS, Fingerprint, FuzzyBook, FuzzyEntry, FuzzyMatch, Kind
from mailweir_model.fingerprint.book import LEAST_BANDS, MOST_CANDIDATES, SURE_BANDS
from mailweir_model.fingerprint.model import BAND_DIGITS, digest

RANDOM = random.Random(7)


def text(*changed: int, seed: int = 1) -> Fingerprint:
    """Return a text's fingerprint, other in the bands named."""
    own = random.Random(seed)
    bands = [f"{own.getrandbits(64):016x}" for _ in range(BANDS)]
    for place in changed:
        bands[place] = f"{RANDOM.getrandbits(64):016x}"
    return Fingerprint(Kind.TEXT, "".join(bands))


def test_bands_are_the_value_in_pieces() -> None:
    assert "".join(text().bands) == text().value
    assert {len(b) for b in text().bands} == {BAND_DIGITS}
    assert Fingerprint(Kind.FILE, "ab").bands == ("ab",)


@pytest.mark.parametrize("same", range(BANDS + 1))
def test_a_text_is_known_by_enough_of_its_bands(same: int) -> None:
    book = FuzzyBook([FuzzyEntry(text(), spam=20)])
    (*found,) = book.look([text(*range(same, BANDS))])
    assert [m.likeness for m in found] == ([same / BANDS] if same >= LEAST_BANDS else [])
    assert all(m.is_sure == (same >= SURE_BANDS) for m in found)


def test_a_band_counts_in_its_own_place_alone() -> None:
    turned = text().bands[1:] + text().bands[:1]
    book = FuzzyBook([FuzzyEntry(text(), spam=20)])
    assert book.look([Fingerprint(Kind.TEXT, "".join(turned))]) == ()


def test_the_most_alike_of_several_is_taken() -> None:
    near, far = text(0), text(0, 1, 2)
    book = FuzzyBook(
        [FuzzyEntry(far, spam=50), FuzzyEntry(near, spam=1), FuzzyEntry(text(seed=2), spam=9)]
    )
    (match,) = book.look([text()])
    assert match.entry.fingerprint == near
    exact = FuzzyBook([FuzzyEntry(near, spam=1), FuzzyEntry(text(), ham=3)]).look([text()])
    assert [(m.likeness, m.is_spam) for m in exact] == [(1.0, False)]


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.TEXT])
def test_other_kinds_are_known_exactly(kind: Kind) -> None:
    book = FuzzyBook([FuzzyEntry(Fingerprint(kind, digest("a")), spam=5)])
    assert len(book.look([Fingerprint(kind, digest("a"))])) == 1
    assert book.look([Fingerprint(kind, digest("b"))]) == ()
    others = [Fingerprint(k, digest("a")) for k in Kind if k is not kind]
    assert book.look(others) == ()


def test_an_even_entry_says_nothing() -> None:
    file = Fingerprint(Kind.FILE, digest("a"))
    assert FuzzyBook([FuzzyEntry(file, spam=3, ham=3)]).look([file]) == ()


def test_a_contested_or_common_one_is_not_sure() -> None:
    file, links = (Fingerprint(k, digest("a")) for k in (Kind.FILE, Kind.LINKS))
    entry = FuzzyEntry(file, spam=30)
    assert FuzzyMatch(file, entry, 1.0).is_sure
    assert not FuzzyMatch(file, replace(entry, ham=1), 1.0).is_sure
    assert not FuzzyMatch(links, FuzzyEntry(links, spam=30), 1.0).is_sure


@pytest.mark.parametrize(
    ("spam", "ham", "likeness", "strength"),
    [(20, 0, 1.0, 0.76), (1, 0, 1.0, 0.05), (0, 20, 1.0, 0.76), (200, 0, 1.0, 1.0), (200, 0, 0.375, 0.5),
     (30, 10, 1.0, 0.76)],
)  # fmt: skip
def test_strength_saturates_with_labels(
    spam: float, ham: float, likeness: float, strength: float
) -> None:
    match = FuzzyMatch(text(), FuzzyEntry(text(), spam, ham), likeness)
    assert match.strength == pytest.approx(strength, abs=0.006)


def test_of_two_entries_for_one_fingerprint_the_later_counts() -> None:
    book = FuzzyBook([FuzzyEntry(text(), spam=1), FuzzyEntry(text(), spam=9)])
    assert len(book) == 1
    assert book.look([text()])[0].entry.spam == 9


def test_an_empty_book_knows_nothing() -> None:
    assert FuzzyBook().look([text(), Fingerprint(Kind.FILE, "")]) == ()
    assert FuzzyBook([FuzzyEntry(Fingerprint(Kind.FILE, "aa"), spam=1)]).look([text()]) == ()


def test_a_broken_text_value_is_known_exactly_or_not_at_all() -> None:
    broken = Fingerprint(Kind.TEXT, "abc")
    book = FuzzyBook([FuzzyEntry(broken, spam=1), FuzzyEntry(text(), spam=1)])
    assert len(book.look([broken, text()])) == 2
    assert book.look([Fingerprint(Kind.TEXT, "abd")]) == ()


def test_a_band_that_thousands_share_takes_no_long_search() -> None:
    crowd = [
        FuzzyEntry(text(*range(LEAST_BANDS, BANDS)), spam=1) for _ in range(MOST_CANDIDATES * 20)
    ]
    (match,) = FuzzyBook(crowd).look([text()])
    assert match.likeness * BANDS >= LEAST_BANDS
