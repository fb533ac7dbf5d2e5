"""Greylisting: whom to ask to come back, for how long, and for how long to remember."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from mailweir_core.items import Item, parse_item
from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Score, Seconds

LONG_FACTOR: Final = 3
LONGEST_FACTOR: Final = 6
"""How many times as long a wait is from `long_score` and from `longest_score`."""

LongSeconds = Annotated[float, Field(gt=0, le=31_536_000)]


def _client(text: str) -> str:
    item = parse_item(text)
    if item.by_name:
        raise ValueError(f"{item.text} is a sender; write an address, a network or host:name")
    return item.text


def _mailbox(text: str) -> str:
    item: Item = parse_item(text)
    if not item.by_name:
        raise ValueError(f"{item.text} is a client; write user@example.com or @example.com")
    return item.text


ClientItem = Annotated[
    str, AfterValidator(_client), Field(examples=["192.0.2.0/24", "host:*.example.net"])
]
"""A client: an address, a network, a range, or `host:` and its confirmed name."""

MailboxItem = Annotated[
    str, AfterValidator(_mailbox), Field(examples=["user@example.com", "@example.com"])
]
"""A mailbox `user@example.com`, a domain `@example.com`, or with all below it `@.example.com`."""


class GreylistMode(StrEnum):
    """Who is asked to come back, and what stands for the client."""

    OFF = "off"
    SUSPICIOUS = (
        "suspicious"  # only suspicious clients; SPF-authorised domain or network, and recipient
    )
    SENDER = "sender"  # everybody, by sender
    IP = "ip"  # everybody, by client
    SENDER_IP = "sender-ip"
    IP_HELO = "ip-helo"


class GreylistOwner(StrEnum):
    """Whom an authorisation is for."""

    ADDRESS = "address"
    DOMAIN = "domain"


class GreylistPolicy(PolicyModel):
    """The service `greylist`."""

    mode: GreylistMode = GreylistMode.SUSPICIOUS
    owner: GreylistOwner = GreylistOwner.ADDRESS
    adaptive: bool = False
    """Only senders whose last message was spam are asked to come back."""
    adaptive_seconds: LongSeconds = 3_110_400.0
    """For how long it is remembered that a sender's last message was spam."""
    suspicion: Annotated[float, Field(ge=0, le=100)] = 2.0
    """Sum of what the edge found from which a client is suspicious."""
    score: Score | None = 4.0
    """Content score from which a message is asked for again after its data; none switches that off."""
    delay_seconds: Seconds = 180.0
    """An earlier retry is refused again; it neither resets nor extends the wait."""
    long_score: Score = 8.0
    """Score or suspicion from which the wait is three times as long."""
    longest_score: Score = 12.0
    """Score or suspicion from which it is six times as long."""
    pending_seconds: LongSeconds = 172_800.0
    """Who has not come back by then is new again; longer than the longest wait."""
    authorised_seconds: LongSeconds = 3_110_400.0
    """Who came back is let through for so long after the last message."""
    exempt_after: Annotated[int, Field(ge=0, le=1000)] = 5
    """Different transactions after which a client need not come back for anybody; 0 switches that off."""
    exempt_twice_a_day: bool = True
    """After two within a day already, where the client is not suspicious."""
    exempt_seconds: LongSeconds = 3_024_000.0
    """For how long after its last message a client is exempt."""
    log_only_seconds: Annotated[float, Field(ge=0, le=31_536_000)] = 604_800.0
    """Time after the first start in which nobody is deferred, only counted what would have been."""
    log_only: bool = False
    """Defer nobody, for however long."""
    bypass_clients: Annotated[tuple[ClientItem, ...], Field(max_length=1000)] = ()
    """Clients that are never asked to come back."""
    bypass_senders: Annotated[tuple[MailboxItem, ...], Field(max_length=1000)] = ()
    """Senders that are never asked to come back, where SPF authorises the client."""
    bypass_recipients: Annotated[tuple[MailboxItem, ...], Field(max_length=1000)] = ()
    """Recipients whose mail is never put off."""
    answer_seconds: Annotated[float, Field(gt=0, le=5)] = 0.05
    """Without an answer of the store by then, mail passes, and that is counted."""
    close: bool = False
    """End the session of a client that is asked to come back."""
    text: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")] = (
        "Greylisted, please come back later"
    )
    """What the client is told; the seconds left and a reference follow."""

    @model_validator(mode="after")
    def _pending_outlasts_waits(self) -> "GreylistPolicy":
        """Refuse waits that nobody could ever sit out."""
        longest = self.delay_seconds * LONGEST_FACTOR
        if self.pending_seconds <= longest:
            raise ValueError(
                f"pending_seconds must be more than the longest wait, {LONGEST_FACTOR} times delay_seconds"
                f" ({longest:g})"
            )
        return self
