"""What comes before the banner: who the client is, whether it may come in, and TLS where it is implicit."""

import asyncio
from typing import Final

from mailweir_core.decision import Action, Decision
from mailweir_core.net import parse_ip
from mailweir_core.record import Listener
from mailweir_ingress.policy.facts import ConnectFacts
from mailweir_ingress.policy.phases import BAD_PROXY, EARLY_TALKER, on_connect
from mailweir_ingress.smtp.conversation import Conversation
from mailweir_ingress.smtp.proxy import ProxyHeader, ProxyState, looks_like_proxy, read_proxy
from mailweir_ingress.smtp.verbs_basic import begin_tls

PROXY_SECONDS: Final = 5.0
"""How long a proxy may take to say for whom it speaks."""


async def open_session(talk: Conversation) -> Decision:
    """Find out who the client is; returns the decision whose reply is the banner."""
    peer_ip, peer_port = talk.link.peer
    if parse_ip(peer_ip) in talk.rules.proxies:
        header = await _read_proxy(talk)
        if header is None:
            talk.set_client(peer_ip, peer_port)
            return BAD_PROXY
        if header.client is not None:
            talk.proxy_ip = peer_ip
            peer_ip, peer_port = str(header.client), header.port
    talk.set_client(peer_ip, peer_port)
    decision = on_connect(_facts(talk), talk.rules)
    if decision.action is Action.ACCEPT and talk.door.listener is Listener.SUBMISSIONS:
        await begin_tls(talk, talk.link.input.take())
    if decision.action is Action.ACCEPT and _talks_early(talk):
        return EARLY_TALKER
    return decision


def _facts(talk: Conversation) -> ConnectFacts:
    sessions = talk.house.sessions
    return ConnectFacts(
        sessions=len(sessions),
        client_sessions=sessions.count_client(talk, talk.client),
        memory_left=talk.house.budget.room,
        draining=sessions.draining,
    )


def _talks_early(talk: Conversation) -> bool:
    pending = talk.link.input.pending
    return (
        bool(pending)
        and talk.door.listener is Listener.MX
        and talk.rules.policy.session.reject_early_talkers
        and not looks_like_proxy(pending)  # which is answered as what it is
    )


async def _read_proxy(talk: Conversation) -> ProxyHeader | None:
    """Take the PROXY header off the input; None where there is no good one in time."""
    source = talk.link.input
    try:
        async with asyncio.timeout(PROXY_SECONDS):
            while (found := read_proxy(source.pending)) is ProxyState.MORE:
                if not await source.more():
                    return None
    except TimeoutError:
        return None
    if isinstance(found, ProxyState):
        return None
    taken = source.take()
    source.give_back(bytes(taken[found.length :]))
    return found
