"""What delivery asks of the outside: something that carries mail to a hop, and the DNS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailweir_delivery.policy.mx import MxAnswer
from mailweir_delivery.policy.replies import Ending
from mailweir_delivery.policy.routing import Hop, Tls
from mailweir_policy import Policy


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as it goes out: content with CRLF line ends, addresses as `local@domain`.

    `maybe_repeated`: an earlier attempt may have ended without a trace. Times in seconds since the epoch.
    """

    ref: str
    release: int
    sender: str
    content: bytes
    received_at: float
    smtputf8: bool = False
    maybe_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a message's way: the hop, how much encryption it asks for, and the policy in force."""

    hop: Hop
    tls: Tls
    policy: Policy


class Carrier(Protocol):
    """Carries a message to one next hop. Never raises for what a next hop does."""

    async def deliver(
        self, parcel: Parcel, recipients: Sequence[str], leg: Leg
    ) -> Mapping[str, Ending]:
        """Return how it ended for each recipient."""
        ...


class MailHosts(Protocol):
    """The DNS as mail needs it. Never raises for what a name server does."""

    async def find(self, domain: str) -> MxAnswer:
        """Return who takes the mail of a domain (A-label form, no literal)."""
        ...
