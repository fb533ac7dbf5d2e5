"""How labels change what is known."""

import pytest

from mailweir_model.fingerprint import Fingerprint, FuzzyBook, FuzzyEntry, Kind, Label
from mailweir_model.fingerprint.labels import MOST_LABELS, dump, key_of, load, targets, taught

FILE = Fingerprint(Kind.FILE, "ab12")


@pytest.mark.parametrize(
    ("label", "weight", "spam", "ham"),
    [
        (Label.SPAM, 1, 4, 2),
        (Label.HAM, 1.5, 3, 3.5),
        (Label.SPAM, -1, 2, 2),
        (Label.SPAM, -99, 0, 2),
        (Label.HAM, 1e9, 3, MOST_LABELS),
    ],
)
def test_a_label_adds_within_bounds(label: Label, weight: float, spam: float, ham: float) -> None:
    entry = taught(FuzzyEntry(FILE, 3, 2, 1.0), label, weight, 9.0)
    assert entry == FuzzyEntry(FILE, spam, ham, 9.0)


def test_tenths_do_not_leave_crumbs() -> None:
    entry = FuzzyEntry(FILE)
    for weight in (0.1, 0.2, -0.3):
        entry = taught(entry, Label.SPAM, weight, 0.0)
    assert entry.spam == 0


def test_an_entry_is_stored_under_its_fingerprint() -> None:
    entry = FuzzyEntry(FILE, 3, 0.5, 17.25)
    assert key_of(FILE) == "file.ab12"
    assert load(key_of(FILE), dump(entry)) == entry


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", dump(FuzzyEntry(FILE))), ("file", dump(FuzzyEntry(FILE))), ("song.ab12", dump(FuzzyEntry(FILE))),
        ("file.xyz", dump(FuzzyEntry(FILE))), ("file.ab12", b""), ("file.ab12", b"[]"), ("file.ab12", b"{}"),
        ("file.ab12", b'{"spam": "x", "ham": 0, "at": 0}'), ("file.ab12", b"\xff"),
    ],
)  # fmt: skip
def test_what_is_not_of_this_form_is_nothing(key: str, value: bytes) -> None:
    assert load(key, value) is None


def test_stored_labels_are_bounded_too() -> None:
    entry = load("file.ab12", b'{"spam": 1e9, "ham": -5, "at": 0}')
    assert entry == FuzzyEntry(FILE, MOST_LABELS, 0)


def test_a_label_goes_to_what_is_known_already() -> None:
    known = Fingerprint(Kind.TEXT, "".join(f"{n:016x}" for n in range(8)))
    like = Fingerprint(Kind.TEXT, known.value[:64] + "f" * 64)
    subject = Fingerprint(Kind.SUBJECT, "aa")
    book = FuzzyBook([FuzzyEntry(known, spam=1)])
    assert targets(book, (like, FILE, subject, FILE)) == (known, FILE)
