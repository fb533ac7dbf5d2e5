"""The mails that tell users and the postmaster of limits and blocks (RFC 3834: never answered by a machine).

Each has a reference made of what it tells, so that whichever process sends it, and however often, it is one.
"""

from binascii import b2a_qp
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from mailweir_core.ids import new_ulid
from mailweir_policy.policy import IdentityPolicy
from mailweir_ratelimit.policy.allowance import Kind
from mailweir_ratelimit.policy.outbound import (
    Level,
    Reached,
    amount_in_words,
    limit_in_words,
    time_in_words,
)
from mailweir_ratelimit.policy.quota import day_ends

MAX_NAME: Final = 320
"""Longest login that is written out; RFC 5321 has none that is longer."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to one recipient. `ref` is its reference and dedup id; `at`: seconds since the epoch."""

    ref: str
    to: str
    subject: str
    lines: tuple[str, ...]
    at: float
    kind: str


def limit_letters(
    news: Reached, identity: IdentityPolicy, zone: str, now: float
) -> tuple[Letter, ...]:
    """Return the mails that tell of a limit: to the user where it is one's own, and to the postmaster."""
    ends = day_ends(news.day, zone)
    subject, lines = _limit_text(news, time_in_words(ends, zone))
    name = f"{news.day}.{news.allowance.key}.{news.name}"
    return tuple(
        Letter(letter_ref(f"{name}.{to}", ends - 86_400.0), to, subject, lines, now, news.level)
        for to in _readers(news, identity)
    )


def blocked_letter(
    login: str, ref: str, score: float, identity: IdentityPolicy, now: float
) -> Letter:
    """Return the mail that tells the postmaster that an account is blocked."""
    name = printable(login)
    lines = (
        f"The account {name} sent mail with a score of {score:g}, which was refused.",
        "The account is blocked: it can send nothing until the block is lifted.",
        "",
        "Usually a password has been stolen. Change it first, then lift the block:",
        f"    mailweir bans remove account:{name}",
        "",
        f"Reference of the message: {ref}",
    )
    subject = f"Account blocked: {name}"
    return Letter(
        letter_ref(f"blocked.{login}.{ref}", now),
        identity.postmaster,
        subject,
        lines,
        now,
        "blocked",
    )


def letter_ref(name: str, at: float) -> str:
    """Return a reference: the same for the same name and time."""
    digest = sha256(name.encode(errors="backslashreplace")).digest()
    return new_ulid(max(0.0, at), lambda bits: int.from_bytes(digest[: bits // 8]))


def build(letter: Letter, identity: IdentityPolicy) -> bytes:
    """Return the mail, CRLF line ends, ASCII throughout but for a recipient that is not."""
    text = "\n".join((f"This is the mail gateway {identity.hostname}.", "", *letter.lines, ""))
    plain = text.isascii() and all(len(line) < 900 for line in letter.lines)
    body = text.encode() if plain else b2a_qp(text.encode())
    head = "".join(
        f"{name}: {value}\n"
        for name, value in (
            ("Date", format_datetime(datetime.fromtimestamp(int(letter.at), UTC))),
            ("From", f"Mail Delivery System <{identity.postmaster}>"),
            ("To", f"<{letter.to}>"),
            ("Subject", letter.subject.encode("ascii", "replace").decode()),
            ("Message-ID", f"<{letter.ref}@{identity.hostname}>"),
            ("X-Mailweir-Id", letter.ref),
            ("Auto-Submitted", "auto-generated"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "7bit" if plain else "quoted-printable"),
        )
    )
    return (head.encode() + b"\n" + body).replace(b"\n", b"\r\n")


def printable(text: str) -> str:
    """Return a name that somebody else chose as it may stand in a mail's header: one short line."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_NAME])


def _readers(news: Reached, identity: IdentityPolicy) -> Iterable[str]:
    login = news.allowance.subject
    if news.allowance.kind is Kind.USER and "@" in login and login == printable(login):
        yield login
    if login != identity.postmaster.casefold():
        yield identity.postmaster


def _limit_text(news: Reached, ends: str) -> tuple[str, tuple[str, ...]]:
    subject, unit = printable(news.allowance.subject), news.unit
    limit, used = printable(limit_in_words(news.allowance, unit)), amount_in_words(unit, news.used)
    source = f"The limit stands in the policy under {printable(news.allowance.source)}."
    if news.level is Level.WARN:
        near = (
            f"{limit[0].upper()}{limit[1:]} is nearly reached: {used} today.",
            f"More than that is held until the next day begins, on {ends}.",
            "",
            source,
        )
        return f"Outbound limit nearly reached: {subject}", near
    reached = (
        f"{limit[0].upper()}{limit[1:]} is reached: {used} today.",
        "What is sent beyond it is not lost: it is held, and goes out by itself",
        f"when the next day begins, on {ends}, or as soon as the limit is raised.",
        "",
        source,
    )
    return f"Outbound limit reached: {subject}", reached
