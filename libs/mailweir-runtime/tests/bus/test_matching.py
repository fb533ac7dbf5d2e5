"""Subjects, keys, and what is refused."""

import pytest

from mailweir_runtime.bus.matching import check_key, check_msg_id, check_subject, matches, stream_of
from mailweir_runtime.bus.topology import (
    BUCKETS,
    CONSUMERS,
    DELIVERY,
    JUDGED,
    MAIL,
    PARKED,
    STREAMS,
    deliver_subject,
    hold_subject,
    judged_subject,
    parked_subject,
    progress_subject,
)


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.b", "a", False),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*.c", "a.b.c", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("a.*", "a.*", True),
        ("a.*", "a.>", False),
        ("a.>", "a.*.c", True),
        ("a.b.>", "a.*.c", False),
        ("a.*.>", "a.b.>", True),
    ],
)
def test_matches(pattern: str, subject: str, fits: bool) -> None:
    assert matches(pattern, subject) is fits


def test_every_subject_has_its_stream() -> None:
    assert stream_of(deliver_subject("s0", "r")) is MAIL
    assert stream_of(hold_subject("s0", "r")) is MAIL
    assert stream_of(judged_subject("s0", "r")) is JUDGED
    assert stream_of(progress_subject("s0", "r")) is DELIVERY
    assert stream_of(parked_subject("s0", "deliverer")) is PARKED
    assert stream_of("other") is None


def test_no_subject_has_two_streams() -> None:
    subjects = [
        deliver_subject("s0", "r"),
        hold_subject("s0", "r"),
        judged_subject("s0", "r"),
        progress_subject("s0", "r"),
        parked_subject("s0", "c"),
    ]
    for subject in subjects:
        takers = [s.name for s in STREAMS if any(matches(p, subject) for p in s.subjects)]
        assert len(takers) == 1, takers


def test_consumers_of_the_work_queue_do_not_overlap() -> None:
    for subject in (deliver_subject("s0", "r"), hold_subject("s0", "r")):
        takers = [c.name for c in CONSUMERS if c.stream is MAIL and matches(c.filter, subject)]
        assert len(takers) == 1, takers


def test_names_are_unique() -> None:
    for specs in (STREAMS, CONSUMERS, BUCKETS):
        names = [spec.name for spec in specs]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", ["a", "v.1", "host-1234", "A_b=/c", "mfrggzdf.x"])
def test_good_keys(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key", ["", ".", "a.", ".a", "a..b", "a b", "a*", ">", "ä", "a\n", "x" * 1025]
)
def test_bad_keys(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        check_key(key)


@pytest.mark.parametrize("text", ["", "a b", "a\r\nPUB x 0", "\x00", "ü", "x" * 513])
def test_what_would_break_the_protocol(text: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        check_subject(text)
    with pytest.raises(ValueError, match="id"):
        check_msg_id(text)
    assert check_subject("a.b") == check_msg_id("a.b") == "a.b"
