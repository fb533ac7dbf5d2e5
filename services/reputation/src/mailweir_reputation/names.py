"""Looks up names: of a client, of what it greets with, of the sender's domain; and checks SPF."""

from dataclasses import replace
from typing import Final, TypeVar

from mailweir_core.asking import Asking, together
from mailweir_core.clock import Clock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus
from mailweir_core.net import is_public, parse_ip
from mailweir_core.outcome import Lookup
from mailweir_mail.auth import iprev
from mailweir_mail.auth.spf import check_sender
from mailweir_policy import Policy
from mailweir_reputation.policy.findings import NOTHING, Finding
from mailweir_reputation.policy.items import Item
from mailweir_reputation.policy.names.findings import of_client, of_domain, of_spf
from mailweir_reputation.policy.names.greeting import Greeting, find_greeting
from mailweir_reputation.policy.names.sender import SenderDomain, find_domain
from mailweir_reputation.policy.purse import Purse
from mailweir_runtime.dns import Resolver

T = TypeVar("T")
ROUND_SECONDS: Final = 1.0
"""Longest time for one round of questions; what is not answered then could not be found out."""
MAX_SHOWN: Final = 120
_SPENT: Final = DnsAnswer(DnsStatus.TEMPERROR, detail="too many questions about one message")


class Names:
    """The part that looks up names."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        """Ask `resolver`."""
        self._resolver = resolver
        self._clock = clock

    async def client(self, item: Item, policy: Policy, until: float, purse: Purse) -> Finding:
        """Return what the names of a client's address say; nothing of an address that has none."""
        address = parse_ip(item.session.client_ip)
        if not policy.reputation.look_up_names or address is None or not is_public(address):
            return NOTHING
        found, lookups = await self._drive(iprev.check(address), until, purse)
        return _with(of_client(found, address, policy), lookups)

    async def spf(self, item: Item, policy: Policy, until: float, purse: Purse) -> Finding:
        """Return what SPF says of client and sender; the HELO name stands in for the null sender."""
        session, address = item.session, parse_ip(item.session.client_ip)
        if not policy.reputation.spf or address is None or not is_public(address):
            return NOTHING
        asking = check_sender(
            address,
            item.sender,
            session.helo,
            receiver=policy.identity.hostname,
            now=int(self._clock.now()),
        )
        found, lookups = await self._drive(asking, until, purse)
        return _with(of_spf(found, policy), lookups)

    async def sender(
        self, item: Item, policy: Policy, until: float, purse: Purse
    ) -> tuple[Greeting | None, Finding]:
        """Return what the client greets with, and what the sender's domain says."""
        if not policy.reputation.look_up_names:
            return None, NOTHING
        domain = _foreign_domain(item.sender, policy)
        asking = together(_greeting(item), _domain(domain))
        (greeting, found), lookups = await self._drive(asking, until, purse)
        return greeting, _with(of_domain(found, domain, policy), lookups)

    async def _drive(
        self, asking: Asking[T], until: float, purse: Purse
    ) -> tuple[T, tuple[Lookup, ...]]:
        """Run an evaluator on the resolver, within time and purse; failures are answers."""
        lookups: list[Lookup] = []
        try:
            questions = next(asking)
            while True:
                questions = asking.send(await self._answer(questions, until, purse, lookups))
        except StopIteration as end:
            return end.value, tuple(lookups)

    async def _answer(
        self,
        questions: tuple[DnsQuestion, ...],
        until: float,
        purse: Purse,
        lookups: list[Lookup],
    ) -> tuple[DnsAnswer, ...]:
        begun = self._clock.monotonic()
        count = purse.take(len(questions))
        seconds = min(ROUND_SECONDS, max(0.0, until - begun))
        found = await self._resolver.resolve(questions[:count], seconds)
        took = self._clock.monotonic() - begun
        for question, answer in zip(questions, found, strict=False):
            lookups.append(Lookup("dns", f"{question.name} {question.type}", _said(answer), took))
        return (*found, *(_SPENT for _ in questions[count:]))


def _greeting(item: Item) -> Asking[Greeting | None]:
    address = parse_ip(item.session.client_ip)
    if not item.session.helo or address is None or not is_public(address):
        return None
    return (yield from find_greeting(item.session.helo))


def _domain(domain: str) -> Asking[SenderDomain]:
    if not domain:
        return SenderDomain.EXISTS
    return (yield from find_domain(domain))


def _foreign_domain(sender: str, policy: Policy) -> str:
    """Return the sender's domain; empty for the null sender and for ours, which we may know alone."""
    domain = sender.rpartition("@")[2].lower()
    own = {local.name for local in policy.relay.domains}
    return "" if domain in own else domain


def _said(answer: DnsAnswer) -> str:
    text = " | ".join(answer.records) if answer.records else answer.detail
    shown = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
    return f"{answer.status} {shown}".rstrip()


def _with(found: Finding, lookups: tuple[Lookup, ...]) -> Finding:
    return replace(found, lookups=lookups)
