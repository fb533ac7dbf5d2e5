"""Greylisting: whom to ask to come back, for how long, and for how long to remember."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Cidr, Domain, MailAddress, Score, Seconds

LongSeconds = Annotated[float, Field(gt=0, le=31_536_000)]


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
    """Who has not come back by then is new again."""
    authorised_seconds: LongSeconds = 3_110_400.0
    """Who came back is let through for so long after the last message."""
    exempt_after: Annotated[int, Field(ge=0, le=1000)] = 5
    """Different transactions after which a client need not come back for anybody; 0 switches that off."""
    exempt_seconds: LongSeconds = 3_024_000.0
    log_only_seconds: Annotated[float, Field(ge=0, le=31_536_000)] = 604_800.0
    """Time after the first start in which nobody is deferred, only counted what would have been."""
    log_only: bool = False
    """Defer nobody, for however long."""
    bypass_networks: tuple[Cidr, ...] = ()
    """Clients that are never asked to come back."""
    bypass_senders: tuple[MailAddress | Domain, ...] = ()
    """Senders that are never asked to come back, where SPF authorises the client."""
    bypass_recipients: tuple[MailAddress | Domain, ...] = ()
    """Recipients whose mail is never put off."""
    answer_seconds: Annotated[float, Field(gt=0, le=5)] = 0.05
    """Without an answer of the store by then, mail passes, and that is counted."""
    close: bool = False
    """End the session of a client that is asked to come back."""
    text: Annotated[str, Field(min_length=1, max_length=200)] = "Greylisted, please come back later"
    """What the client is told; the seconds left and a reference follow."""
