"""The books find what is lost, doubled, changed and unrecorded, and nothing else."""

from typing import Any

from mailweir_testkit.builders import mail
from mailweir_testkit.fidelity import fingerprint
from mailweir_testkit.load import Fate, Letter
from mailweir_testkit.reckoning import outstanding, reckon
from mailweir_testkit.sink import Caught

HOST = "mailweir.example.com"


def fate(ref: str, reply: str = "250 2.0.0 ok", content: bytes = b"") -> Fate:
    letter = Letter(ref, "a@b", ("c@d",), content or mail(ref))
    accepted = 1.0 if reply.startswith("250") else 0.0
    return Fate(letter, reply=reply, ref=ref, tries=1, accepted_at=accepted)


def caught(ref: str, at: float = 1.0, content: bytes = b"") -> Caught:
    body = content or mail(ref)
    return Caught(ref, "a@b", ("c@d",), len(body), "", fingerprint(body, HOST.encode()), at, True)


def record(state: str = "delivered") -> dict[str, Any]:
    return {"state": state, "action": "accept"}


def test_delivered_held_and_refused_add_up() -> None:
    fates = [fate("A"), fate("B"), fate("C", "550 5.7.1 no"), fate("", "451 4.3.0 later")]
    records = {"A": record(), "B": record("held"), "C": record("refused")}
    books = reckon(fates, [caught("A")], records)
    assert books.balanced, str(books)
    assert books.taken == 2
    assert outstanding(fates, [caught("A")], records) == set()


def test_what_is_nowhere_is_lost() -> None:
    fates = [fate("A"), fate("B")]
    books = reckon(fates, [caught("A")], {"A": record(), "B": record("queued")})
    assert books.lost == ("B",)
    assert not books.balanced
    assert outstanding(fates, [caught("A")], {}) == {"B"}


def test_what_is_there_twice_is_named_with_its_times() -> None:
    mails = [caught("A", 1.0), caught("A", 3.5)]
    assert reckon([fate("A")], mails, {"A": record()}).doubled == {"A": (1.0, 3.5)}
    held = reckon([fate("A")], mails[:1], {"A": record("held")})
    assert held.held_and_delivered == ("A",)


def test_a_changed_message_is_found() -> None:
    books = reckon([fate("A")], [caught("A", content=mail("other"))], {"A": record()})
    assert books.altered == ("A",)


def test_what_has_no_record_is_found_refused_or_not() -> None:
    fates = [fate("A"), fate("C", "550 5.7.1 no")]
    assert reckon(fates, [caught("A")], {}).unrecorded == ("A", "C")
    early = {"A": {"state": "delivered", "action": ""}, "C": record("refused")}
    assert reckon(fates, [caught("A")], early).unrecorded == ("A",)


def test_a_reply_without_a_reference_is_counted() -> None:
    books = reckon([fate("")], [], {})
    assert books.nameless == 1
    assert "1 nameless" in str(books)


def test_the_text_names_the_first_of_each_kind() -> None:
    books = reckon([fate(c) for c in "ABCDE"], [], {c: record("queued") for c in "ABCDE"})
    assert str(books) == (
        "5 taken, 5 lost (A, B, C), 0 doubled, 0 held_and_delivered, 0 altered, 0 unrecorded, 0 nameless"
    )
