"""Asking the next hop whether a recipient exists: MAIL FROM:<>, RCPT TO, and never DATA."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

import aiosmtplib

from mailweir_core.address import EnvelopeAddress
from mailweir_core.clock import Clock
from mailweir_core.outcome import Status
from mailweir_ingress.metrics import Metrics
from mailweir_ingress.policy.relay import local_domain
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.ports import Existence
from mailweir_policy import Route
from mailweir_runtime.logs import get_logger

CALLOUT: Final = "callout"
PROBES_AT_ONCE: Final = 20
_PORTS: Final = {"smtp": 25, "lmtp": 24}

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    answer: Existence
    until: float  # of the monotonic clock


class SmtpProbe:
    """Probes over SMTP and LMTP, remembers answers, and asks about one recipient once at a time."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._metrics = metrics
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asking: dict[str, asyncio.Future[Existence]] = {}
        self._turn = asyncio.Semaphore(PROBES_AT_ONCE)

    async def exists(self, recipient: EnvelopeAddress, rules: Rules) -> Existence:
        """Return what is remembered, or what the next hop says within the policy's timeout."""
        key = recipient.key
        known = self._known.get(key)
        if known is not None and known.until > self._clock.monotonic():
            self._known.move_to_end(key)
            return known.answer
        running = self._asking.get(key)
        if running is not None:
            return await asyncio.shield(running)
        return await self._ask_once(key, recipient, rules)

    async def _ask_once(self, key: str, recipient: EnvelopeAddress, rules: Rules) -> Existence:
        answer = Existence.UNKNOWN
        future = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._ask(recipient, rules)
            self._remember(key, answer, rules)
        finally:
            del self._asking[key]
            future.set_result(answer)
        status = {Existence.YES: Status.OK, Existence.NO: Status.HIT}.get(answer, Status.TEMPERROR)
        self._metrics.checks[CALLOUT, status].inc()
        return answer

    async def _ask(self, recipient: EnvelopeAddress, rules: Rules) -> Existence:
        domain = local_domain(recipient, rules)
        route = None if domain is None else rules.policy.delivery.route(domain.name)
        if route is None:
            return Existence.UNKNOWN
        detail = "no clear answer"
        try:
            async with asyncio.timeout(rules.policy.relay.callout.timeout_seconds), self._turn:
                for hop in route.next_hops:
                    answer = await _ask_hop(urlsplit(hop), route, recipient, rules.hostname)
                    if answer is not Existence.UNKNOWN:
                        return answer
        except TimeoutError:
            detail = "no answer in time"
        _log.warning("recipient_unverified", domain=recipient.domain, detail=detail)
        return Existence.UNKNOWN

    def _remember(self, key: str, answer: Existence, rules: Rules) -> None:
        callout = rules.policy.relay.callout
        seconds = {Existence.YES: callout.good_seconds, Existence.NO: callout.bad_seconds}
        if answer not in seconds:
            return
        self._known[key] = _Known(answer, self._clock.monotonic() + seconds[answer])
        self._known.move_to_end(key)
        while len(self._known) > callout.cache_entries:
            self._known.popitem(last=False)


async def _ask_hop(
    hop: SplitResult, route: Route, recipient: EnvelopeAddress, hostname: str
) -> Existence:
    """Ask one next hop; a Maildir takes everybody."""
    if hop.scheme == "maildir":
        return Existence.YES
    lmtp = hop.scheme == "lmtp"
    client = aiosmtplib.SMTP(
        hostname=hop.hostname,
        port=hop.port or _PORTS[hop.scheme],
        local_hostname=hostname,
        # LMTP's greeting is another one, so TLS is only for SMTP.
        start_tls=False if lmtp or route.tls == "none" else None,
        validate_certs=route.tls == "required",
    )
    try:
        async with client:
            return await _ask_client(client, recipient, f"LHLO {hostname}" if lmtp else "")
    except (aiosmtplib.SMTPException, OSError):
        return Existence.UNKNOWN


async def _ask_client(
    client: aiosmtplib.SMTP, recipient: EnvelopeAddress, greeting: str
) -> Existence:
    if greeting:
        await client.execute_command(greeting.encode())
    else:
        await client.ehlo()
    parameters = b"" if str(recipient).isascii() else b" SMTPUTF8"
    sender = await client.execute_command(b"MAIL FROM:<>" + parameters)
    if sender.code // 100 != 2:
        return Existence.UNKNOWN
    reply = await client.execute_command(f"RCPT TO:<{recipient}>".encode())
    return {2: Existence.YES, 5: Existence.NO}.get(reply.code // 100, Existence.UNKNOWN)


class MemoryProbe:
    """Knows recipients by their compared form; everybody else is unknown to it."""

    def __init__(self, answers: Mapping[str, Existence] | None = None) -> None:
        """Take the answers."""
        self._answers = dict(answers or {})
        self.asked: list[str] = []

    async def exists(self, recipient: EnvelopeAddress, rules: Rules) -> Existence:
        """Return the answer at once."""
        del rules
        self.asked.append(recipient.key)
        return self._answers.get(recipient.key, Existence.UNKNOWN)
