"""Whether the client addresses that the ingress sees can be those of the world.

A balancer, a proxy that nobody has listed, or a cluster's network often puts its own address in the place of
every client's. Then one spammer's ban bans everybody, lists and SPF are asked about a machine of our own, and
no count means anything; and nothing of that looks like a fault. So it is looked for: many mails in a row, all
from a few private addresses.
"""

from collections.abc import Callable
from typing import Final

from mailweir_core.net import Address, NetworkSet

MANY: Final = 50
"""So many mails in a row without a single public address make a suspicion."""
FEW: Final = 8
"""They come from at most so many addresses: one for each node of a cluster, or each balancer."""

# Between a client outside and us there is no such address, only machines of our own (RFC 1918, 6598, 4193).
PRIVATE: Final = NetworkSet(
    ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7",
     "fe80::/10")
)  # fmt: skip


class Clientele:
    """Which addresses those had who lately sent mail as strangers do; probes and trusted clients do not.

    `changed` is called whenever `masked` has become another.
    """

    def __init__(self) -> None:
        """Begin with nobody seen."""
        self.changed: Callable[[], None] = lambda: None
        self._in_a_row = 0
        self._seen: set[Address] = set()

    @property
    def masked(self) -> bool:
        """Say whether something stands in the place of the clients."""
        return self._in_a_row >= MANY and len(self._seen) <= FEW

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the private addresses of the present row, at most one more than a few."""
        return tuple(sorted(map(str, self._seen)))

    def saw(self, client: Address | None) -> None:
        """Take the beginning of a mail in."""
        if client is None:
            return
        before = self.masked
        if client not in PRIVATE:
            if self._in_a_row:
                self._in_a_row = 0
                self._seen.clear()
        else:
            self._in_a_row += 1
            if len(self._seen) <= FEW:
                self._seen.add(client)
        if self.masked != before:
            self.changed()


def warning(addresses: tuple[str, ...]) -> str:
    """Return what is wrong and what to do, for whoever looks at the service."""
    places = ", ".join(addresses)
    return (
        f"all clients come from {places}: something hides their addresses; "
        "let them through (externalTrafficPolicy Local), or list it in relay.proxy_networks"
    )
