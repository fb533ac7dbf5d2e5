"""What every carrier does: the same test for memory, Maildir, SMTP and LMTP."""

import mailbox
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_delivery.adapters.maildir import MaildirCarrier
from mailweir_delivery.adapters.memory import MemoryCarrier
from mailweir_delivery.adapters.smtp.carrier import SmtpCarrier
from mailweir_delivery.adapters.smtp.late import LateReplies
from mailweir_delivery.adapters.smtp.terms import TlsContexts
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.replies import Verdict
from mailweir_delivery.policy.routing import Hop, Kind, Tls, hop_from
from mailweir_delivery.ports import Carrier, Leg, Parcel
from mailweir_policy import Policy
from mailweir_testkit.nexthop import next_hop

A, B = "a@example.com", "b@example.com"
CONTENT = "Subject: hällo\r\n\r\n.dot\r\n\r\nend\r\n".encode()
PARCEL = Parcel("01ARZ3NDEKTSV4RRFFQ69G5FAV-1", 0, "s@example.org", CONTENT, 1.75e9)
KINDS = (
    "memory",
    "maildir",
    pytest.param("smtp", marks=pytest.mark.integration),
    pytest.param("lmtp", marks=pytest.mark.integration),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A carrier, a hop that takes mail, one that cannot be reached, and what arrived."""

    carrier: Carrier
    hop: Hop
    nowhere: Hop
    arrived: Callable[[], list[tuple[str, bytes]]]


@asynccontextmanager
async def place(kind: str, directory: Path) -> AsyncIterator[Place]:
    if kind == "memory":
        yield in_memory()
    elif kind == "maildir":
        yield in_a_directory(directory)
    else:
        async with over_a_connection(kind) as found:
            yield found


def in_memory() -> Place:
    carrier = MemoryCarrier(unreachable={"nowhere"})
    return Place(
        carrier,
        Hop(Kind.SMTP, "here", 25),
        Hop(Kind.SMTP, "nowhere", 25),
        lambda: [(mail.recipient, mail.parcel.content) for mail in carrier.mails],
    )


def in_a_directory(directory: Path) -> Place:
    def arrived() -> list[tuple[str, bytes]]:
        found = []
        for message in mailbox.Maildir(directory / "in", create=False):
            person = message["Delivered-To"]
            for added in ("Return-Path", "Delivered-To"):
                del message[added]
            found.append((person, message.as_bytes().replace(b"\n", b"\r\n")))
        return found

    (directory / "file").write_text("no directory")
    return Place(
        MaildirCarrier(),
        Hop(Kind.MAILDIR, path=str(directory / "in")),
        Hop(Kind.MAILDIR, path=str(directory / "file" / "in")),
        arrived,
    )


@asynccontextmanager
async def over_a_connection(kind: str) -> AsyncIterator[Place]:
    metrics = Metrics(CollectorRegistry(), SystemClock())
    carrier = SmtpCarrier(TlsContexts.load(), LateReplies(metrics), metrics)
    async with next_hop(lmtp=kind == "lmtp") as gone:
        nowhere = hop_from(gone.url)
    async with next_hop(lmtp=kind == "lmtp") as server:
        yield Place(
            carrier,
            hop_from(server.url),
            nowhere,
            lambda: [(r, mail.content) for mail in server.mails for r in mail.recipients],
        )
        carrier.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_each_recipient_gets_the_message_and_has_an_ending(kind: str, tmp_path: Path) -> None:
    async with place(kind, tmp_path) as there:
        leg = Leg(there.hop, Tls.OPPORTUNISTIC, Policy())
        endings = await there.carrier.deliver(PARCEL, (A, B), leg)
        assert list(endings) == [A, B]
        for ending in endings.values():
            assert (ending.verdict, ending.enhanced[0]) == (Verdict.DELIVERED, "2")
            assert ending.next_hop == str(there.hop)
            assert not ending.try_next
            assert not ending.host_fault
        assert sorted(there.arrived()) == [(A, CONTENT), (B, CONTENT)]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hop_that_cannot_be_reached_is_an_ending_too(kind: str, tmp_path: Path) -> None:
    async with place(kind, tmp_path) as there:
        leg = Leg(there.nowhere, Tls.OPPORTUNISTIC, Policy())
        endings = await there.carrier.deliver(PARCEL, (A, B), leg)
        assert list(endings) == [A, B]
        for ending in endings.values():
            assert (ending.verdict, ending.enhanced[0]) == (Verdict.DEFERRED, "4")
            assert ending.host_fault
            assert ending.try_next
            assert ending.reply
            assert not ending.unknown
