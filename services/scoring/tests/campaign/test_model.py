"""Which keys a mail is counted under, and how many copies their counts mean."""

import pytest

from mailweir_model.fingerprint import BANDS, Fingerprint, Kind
from mailweir_policy import BulkMode
from mailweir_scoring.policy.campaign.model import copies_of, families_of

TEXT = Fingerprint(Kind.TEXT, "".join(f"{n:016x}" for n in range(BANDS)))
SUBJECT = Fingerprint(Kind.SUBJECT, "a" * 32)
FILE = Fingerprint(Kind.FILE, "b" * 32)
LOOKS = tuple(Fingerprint(k, "c" * 32) for k in (Kind.LINKS, Kind.STRUCTURE, Kind.IMAGE))


def test_by_body_texts_and_files_count_and_looks_do_not() -> None:
    families = families_of((TEXT, SUBJECT, FILE, *LOOKS), BulkMode.BODY)
    assert families == (tuple(f"{n:016x}" for n in range(BANDS)), ("b" * 16,))


def test_by_subject_only_that_counts() -> None:
    assert families_of((TEXT, SUBJECT), BulkMode.SUBJECT) == (("a" * 16,),)
    assert families_of((TEXT,), BulkMode.SUBJECT) == ()


def test_by_both_the_same_text_under_another_subject_is_another_mail() -> None:
    other = Fingerprint(Kind.SUBJECT, "d" * 32)
    one, two = (families_of((TEXT, s), BulkMode.SUBJECT_AND_BODY) for s in (SUBJECT, other))
    assert len(one[0]) == BANDS
    assert not set(one[0]) & set(two[0])
    assert one == families_of((TEXT, SUBJECT), BulkMode.SUBJECT_AND_BODY)
    assert families_of((TEXT,), BulkMode.SUBJECT_AND_BODY) == ()


def test_nothing_to_know_it_by_is_no_family() -> None:
    assert [families_of(LOOKS, mode) for mode in BulkMode] == [(), (), ()]


@pytest.mark.parametrize(
    ("families", "copies"),
    [
        ([], 0),
        ([[]], 0),
        ([[7]], 7),
        ([[7], [3]], 7),
        ([[9, 9, 9, 1, 1, 1, 1, 1]], 9),  # enough bands agree
        ([[9, 9, 1, 1, 1, 1, 1, 1]], 1),  # two by accident
        ([[9, 8, 7, 1, 1, 1, 1, 1], [4]], 7),
    ],
)
def test_copies(families: list[list[int]], copies: int) -> None:
    assert copies_of(families) == copies
