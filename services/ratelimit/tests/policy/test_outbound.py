"""What is said over an outbound limit, and whom it is told."""

from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser

import pytest

from mailweir_core.ids import is_ref
from mailweir_core.outcome import Advice
from mailweir_core.reasons import Reason
from mailweir_policy.policy import IdentityPolicy
from mailweir_policy.ratelimit import OutboundLimit, Unit
from mailweir_ratelimit.policy.allowance import Allowance, Kind
from mailweir_ratelimit.policy.notice import (
    blocked_letter,
    build,
    letter_ref,
    limit_letters,
    printable,
)
from mailweir_ratelimit.policy.outbound import Level, Reached, over, reached
from mailweir_ratelimit.policy.quota import Amount, Charged, Quota

DAY = "2026-11-24"
NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC).timestamp()
IDENTITY = IdentityPolicy(hostname="mx.example.com", postmaster="postmaster@example.com")


def allowance(kind: Kind = Kind.USER, subject: str = "ann@example.com", **limit: int) -> Allowance:
    return Allowance(kind, subject, OutboundLimit(**limit), "ratelimit.outbound.default_user")


def levels(
    used: Amount, over: Unit | None = None, told: tuple[str, ...] = (), **limit: int
) -> set[str]:
    charged = Charged(over is None, Quota(DAY, used, (), told), over)
    return {one.name for one in reached(charged, allowance(**limit), 0.8)}


def test_levels() -> None:
    assert levels(Amount(159), messages=200) == set()
    assert levels(Amount(160), messages=200) == {"messages:warn"}
    assert levels(Amount(199), messages=200) == {"messages:warn"}
    assert levels(Amount(200), messages=200) == {"messages:full"}
    assert levels(Amount(200)) == set()
    assert levels(Amount(5, 90, 10), messages=10, recipients=100, bytes=10) == {
        "recipients:warn",
        "bytes:full",
    }


def test_one_that_is_too_large_makes_it_full() -> None:
    assert levels(Amount(1, 1, 50), over=Unit.BYTES, bytes=100) == {"bytes:full"}


def test_what_was_told_is_not_told_again() -> None:
    assert levels(Amount(170), told=("messages:warn",), messages=200) == set()
    assert levels(Amount(200), told=("messages:warn",), messages=200) == {"messages:full"}


@pytest.mark.parametrize(
    ("unit", "limit", "words"),
    [
        (Unit.MESSAGES, {"messages": 200}, "200 messages a day of ann@example.com is reached"),
        (Unit.MESSAGES, {"messages": 1}, "1 message a day of ann@example.com is reached"),
        (Unit.BYTES, {"bytes": 5 * 1024 * 1024}, "5.0 MiB a day of ann@example.com is reached"),
        (Unit.BYTES, {"bytes": 999}, "999 bytes a day of ann@example.com is reached"),
    ],
)
def test_over_says_what_and_until_when(unit: Unit, limit: dict[str, int], words: str) -> None:
    outcome = over(allowance(**limit), unit, NOW + 8.5 * 3600, "UTC")
    assert words in outcome.detail
    assert "it goes on 2026-11-25 at 00:00 (UTC), or as soon as there is room" in outcome.detail
    assert (outcome.advice, outcome.reason) == (Advice.HOLD, Reason.OVER_LIMIT)


def test_over_a_domains_limit_says_so() -> None:
    whole = allowance(Kind.DOMAIN, "example.com", messages=10)
    assert (
        "10 messages a day of all users of example.com"
        in over(whole, Unit.MESSAGES, 0, "UTC").detail
    )


def news(level: Level = Level.WARN, **fields: object) -> Reached:
    own = allowance(messages=200, **fields)
    return Reached(own, Unit.MESSAGES, level, 160 if level is Level.WARN else 200, DAY)


def test_a_users_limit_is_told_to_the_user_and_the_postmaster() -> None:
    letters = limit_letters(news(), IDENTITY, "UTC", NOW)
    assert [letter.to for letter in letters] == ["ann@example.com", "postmaster@example.com"]
    assert len({letter.ref for letter in letters}) == 2


@pytest.mark.parametrize(
    ("kind", "subject", "readers"),
    [
        (Kind.DOMAIN, "example.com", ["postmaster@example.com"]),
        (Kind.USER, "local", ["postmaster@example.com"]),
        (Kind.USER, "postmaster@example.com", ["postmaster@example.com"]),
        (Kind.USER, "evil\r\nBcc: x@example.com", ["postmaster@example.com"]),
    ],
)
def test_readers(kind: Kind, subject: str, readers: list[str]) -> None:
    letters = limit_letters(news(kind=kind, subject=subject), IDENTITY, "UTC", NOW)
    assert [letter.to for letter in letters] == readers
    for letter in letters:
        assert b"\nBcc:" not in build(letter, IDENTITY)


def test_the_same_news_are_the_same_mail_whoever_sends_it() -> None:
    first = limit_letters(news(), IDENTITY, "UTC", NOW)
    later = limit_letters(news(), IDENTITY, "UTC", NOW + 500)
    assert [one.ref for one in first] == [one.ref for one in later]
    other = limit_letters(news(Level.FULL), IDENTITY, "UTC", NOW)
    assert {one.ref for one in first}.isdisjoint(one.ref for one in other)
    assert all(is_ref(one.ref) for one in (*first, *other))


@pytest.mark.parametrize("level", list(Level))
def test_the_mail(level: Level) -> None:
    letter = limit_letters(news(level), IDENTITY, "UTC", NOW)[0]
    raw = build(letter, IDENTITY)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = BytesParser(policy=policy.default).parsebytes(raw)
    assert mail["To"] == "ann@example.com"
    assert mail["From"] == "Mail Delivery System <postmaster@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{letter.ref}@mx.example.com>"
    assert mail["Date"] == "Tue, 24 Nov 2026 15:30:00 +0000"
    text = mail.get_content()
    assert "The limit of 200 messages a day of ann@example.com" in text
    assert "2026-11-25 at 00:00 (UTC)" in text
    assert "ratelimit.outbound.default_user" in text
    assert ("160 messages today" in text) is (level is Level.WARN)


def test_a_blocked_account() -> None:
    letter = blocked_letter("Ann@example.com", "01J-1", 999.0, IDENTITY, NOW)
    text = build(letter, IDENTITY).decode()
    assert letter.to == "postmaster@example.com"
    assert "Account blocked: Ann@example.com" in text
    assert "account:Ann@example.com" in text
    assert "score of 999" in text
    assert "Reference of the message: 01J-1" in text
    assert letter.ref == blocked_letter("Ann@example.com", "01J-1", 1.0, IDENTITY, NOW).ref


def test_text_that_is_not_ascii_is_encoded() -> None:
    own = news(subject="žofie@example.com")
    raw = build(limit_letters(own, IDENTITY, "UTC", NOW)[1], IDENTITY)
    assert raw.isascii()
    mail = BytesParser(policy=policy.default).parsebytes(raw)
    assert "žofie@example.com" in mail.get_content()


def test_refs_and_names() -> None:
    assert letter_ref("a", NOW) != letter_ref("b", NOW)
    assert is_ref(letter_ref("\udc80", -5.0))
    assert printable("a\r\nb") == "a??b"
    assert len(printable("x" * 999)) == 320
