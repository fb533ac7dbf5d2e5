"""All fingerprints of a mail, and that copies share them."""

import base64

import pytest

from mailweir_mail import Message, parse
from mailweir_model.fingerprint import BANDS, Fingerprint, Kind, fingerprints
from mailweir_model.fingerprint.book import LEAST_BANDS
from mailweir_model.fingerprint.make import FILES_OCTETS, LEAST_FILE_OCTETS, MOST_FILES

LETTER = " ".join(
    f"dear customer we have the very best {thing} of the whole town and send it {way} to your door"
    for thing, way in [
        ("bread", "quickly"), ("butter", "gladly"), ("cheese", "safely"), ("fruit", "daily"),
        ("honey", "slowly"), ("lemon", "fairly"), ("onion", "early"), ("pepper", "nightly"),
    ]
)  # fmt: skip


def letter(name: str = "Ann", number: int = 1, text: str = LETTER) -> Message:
    return parse(
        f"From: Shop <shop@example.net>\nTo: {name} <{name.lower()}@example.com>\n"
        f"Subject: Re: Offer {number} of the week\n\nHello {name},\n{text}\n"
        f"http://shop.example/u/{number}\nOrder no. {number}\n".encode()
    )


def with_file(content: bytes, kind: str = "application/pdf", copies: int = 1) -> Message:
    part = (
        f"--b\nContent-Type: {kind}\nContent-Disposition: attachment; filename=a\n"
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(content).decode()}\n"
    )
    head = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n"
    return parse(f"{head}{part * copies}--b--\n".encode())


def by_kind(message: Message) -> dict[Kind, Fingerprint]:
    return {f.kind: f for f in fingerprints(message)}


def test_copies_for_others_have_the_same() -> None:
    one, other = by_kind(letter()), by_kind(letter("Bob", 98_765))
    assert set(one) == {Kind.TEXT, Kind.SUBJECT}
    assert one == other


def test_a_letter_changed_a_little_is_alike() -> None:
    one = by_kind(letter())[Kind.TEXT]
    other = by_kind(letter(text=LETTER.replace("honey", "sugar") + " as ever yours truly"))[
        Kind.TEXT
    ]
    assert one != other
    assert one.likeness(other) * BANDS >= LEAST_BANDS


def test_a_short_text_is_compared_word_by_word() -> None:
    words = " ".join(LETTER.split()[:25])
    one, other = by_kind(letter(text=words)), by_kind(letter("Bob", text=words))
    assert Kind.TEXT not in one
    assert one[Kind.SHORT_TEXT] == other[Kind.SHORT_TEXT]
    assert by_kind(letter(text=f"{words} more"))[Kind.SHORT_TEXT] != one[Kind.SHORT_TEXT]


def test_thanks_are_everybody_s() -> None:
    assert set(by_kind(letter(text="Thanks, see attached."))) == {Kind.SUBJECT}


def test_a_list_s_footer_makes_no_two_mails_alike() -> None:
    footer = f"\n-- \n{LETTER[:1000]}\n"
    one, other = (
        parse(f"Subject: x\n\nMy printer is {state} and I need help\n{footer}".encode())
        for state in ("broken", "slow")
    )
    assert set(fingerprints(one)) & set(fingerprints(other)) == set()


def test_a_separator_at_the_top_hides_no_copy() -> None:
    one, other = (by_kind(letter(name, text=f"\n-- \n{LETTER}")) for name in ("Ann", "Bob"))
    assert one[Kind.SHORT_TEXT] == other[Kind.SHORT_TEXT]


def test_files_by_content() -> None:
    pdf = bytes(range(256)) * 20
    assert by_kind(with_file(pdf))[Kind.FILE] == by_kind(with_file(pdf))[Kind.FILE]
    assert by_kind(with_file(pdf))[Kind.FILE] != by_kind(with_file(pdf + b"x"))[Kind.FILE]
    assert set(by_kind(with_file(pdf, "image/png"))) == {Kind.IMAGE}


@pytest.mark.parametrize(
    ("size", "kind"), [(LEAST_FILE_OCTETS - 1, "application/pdf"), (4000, "image/gif")]
)
def test_small_files_and_icons_are_shared_by_many(size: int, kind: str) -> None:
    assert fingerprints(with_file(b"x" * size, kind)) == ()


def test_files_are_bounded_in_number_and_octets() -> None:
    assert len(fingerprints(with_file(b"x" * 5000, copies=MOST_FILES * 3))) == MOST_FILES
    assert fingerprints(with_file(b"x" * FILES_OCTETS)) == ()


def test_a_subject_alone_needs_a_sender() -> None:
    assert set(by_kind(parse(b"From: a@example.com\nSubject: Fwd: news\n\n"))) == {Kind.SUBJECT}
    assert fingerprints(parse(b"Subject: news\n\n")) == ()
    assert fingerprints(parse(b"From: a@example.com\nSubject: Re: 1\n\n")) == ()


def test_only_the_parts_given_are_looked_at() -> None:
    message = letter()
    assert {f.kind for f in fingerprints(message, ())} == {Kind.SUBJECT}
    assert fingerprints(message, message.text_parts) == fingerprints(message)


def test_of_two_alternatives_the_one_shown_counts() -> None:
    head = "Content-Type: multipart/alternative; boundary=b\n\n"
    plain = f"--b\nContent-Type: text/plain\n\n{LETTER}\n"
    html = f"--b\nContent-Type: text/html\n\n<p>{LETTER}</p>\n--b--\n"
    both = parse((head + plain + html).encode())
    (one,) = fingerprints(both, (*both.text_parts, *both.html_parts))
    assert one == by_kind(letter(text=LETTER))[Kind.TEXT] or one.kind is Kind.TEXT
    assert one.likeness(by_kind(letter())[Kind.TEXT]) * BANDS >= LEAST_BANDS


@pytest.mark.parametrize(
    "raw", [b"", b"\0", b"\xff" * 1000, b"From: \n\n<html", b"Content-Type: multipart/x\n\n"]
)
def test_nothing_raises(raw: bytes) -> None:
    assert isinstance(fingerprints(parse(raw)), tuple)
