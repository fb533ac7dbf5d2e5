"""Who has connected: as far as it is known before there is a session, and once the client was let in."""

from dataclasses import dataclass

from mailweir_core.client import ClientFacts
from mailweir_core.net import Address
from mailweir_core.outcome import Outcome
from mailweir_core.record import Listener, Session
from mailweir_ingress.policy.rules import Rules


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection's other end. `client` is None where nobody knows it.

    `own`: a listed proxy's own connection, a probe: never judged. `key` is what counts as one client.
    """

    listener: Listener
    client: Address | None
    ip: str
    port: int
    proxy_ip: str = ""
    key: str = ""
    own: bool = False

    def session(self, ref: str, at: float, *, trusted: bool = False) -> Session:
        """Return the facts of its session as they are at connect."""
        return Session(
            id=ref,
            listener=self.listener,
            client_ip=self.ip,
            client_port=self.port,
            proxy_ip=self.proxy_ip,
            trusted=trusted,
            connected_at=at,
        )


@dataclass(frozen=True, slots=True)
class Guest:
    """A client that was let in: its reference, the rules it was let in by, what the edge has found out.

    `teased`: it was sent the first line of a banner of several lines.
    """

    caller: Caller
    id: str
    at: float
    rules: Rules
    facts: ClientFacts
    outcomes: tuple[Outcome, ...] = ()
    teased: bool = False
