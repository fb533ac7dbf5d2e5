"""Who a connection comes from: its peer, or whom a listed proxy names. Sans I/O."""

from dataclasses import dataclass

from mailweir_core.decision import Decision
from mailweir_core.net import Address, parse_ip
from mailweir_core.record import Listener
from mailweir_ingress.policy.entry import NO_PROXY_HEADER, PROXY_AS_CLIENT, lacks_proxy_header
from mailweir_ingress.policy.phases import BAD_PROXY
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.smtp.guest import Caller
from mailweir_ingress.smtp.proxy import ProxyHeader, ProxyState, read_proxy
from mailweir_ingress.smtp.sessions import client_key


@dataclass(frozen=True, slots=True)
class Peer:
    """A connection's other end, and the door it came to."""

    listener: Listener
    address: Address | None
    ip: str
    port: int

    @classmethod
    def of(cls, listener: Listener, found: tuple[str, int]) -> "Peer":
        """Return the peer at a socket's address."""
        ip = str(found[0])
        return cls(listener, parse_ip(ip), ip, int(found[1]))


def introduced(peer: Peer, rules: Rules) -> Caller | Decision | None:
    """Return who calls, why it may not, or None where a header has to come first."""
    if peer.address in rules.proxies:
        return None
    if lacks_proxy_header(peer.address, rules):
        return NO_PROXY_HEADER
    return _caller(peer, peer.address, peer.port)


def introduced_by(peer: Peer, came: bytearray, rules: Rules) -> Caller | Decision | None:
    """Return whom a proxy names, its mistake, or None where more of the header has to come.

    A header that was read is taken off what has come.
    """
    found = read_proxy(came)
    if found is ProxyState.MORE:
        return None
    if not isinstance(found, ProxyHeader):
        return BAD_PROXY
    del came[: found.length]
    if found.client is None:  # its own connection
        return _caller(peer, peer.address, peer.port, own=True)
    if found.client in rules.proxies:
        return PROXY_AS_CLIENT
    return _caller(peer, found.client, found.port, proxy_ip=peer.ip)


def nobody(peer: Peer) -> Caller:
    """Return what stands for a client that nobody knows, where a proxy made a mistake: it is not judged."""
    return Caller(peer.listener, None, "", 0, peer.ip)


def _caller(
    peer: Peer, client: Address | None, port: int, *, proxy_ip: str = "", own: bool = False
) -> Caller:
    ip = "" if client is None else str(client)
    key = ip if client is None or client.version == 4 else client_key(client)
    return Caller(peer.listener, client, ip, port, proxy_ip, key, own)
