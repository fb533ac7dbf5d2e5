"""The service `ratelimit`: over gRPC, and one in memory for unit tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc.aio

from mailweir.ratelimit.v1 import ratelimit_pb2, ratelimit_pb2_grpc
from mailweir_core.bans import ACCOUNT, CODES, OffenceKind, ban_network
from mailweir_core.clock import Clock
from mailweir_core.net import joined, parse_ip, parse_network
from mailweir_gateway.adapters.edge import (
    COMMAND_SECONDS,
    NOWHERE,
    QUERY_SECONDS,
    failures,
    time_of,
)
from mailweir_gateway.adapters.explain import time
from mailweir_gateway.models.bans import BanPage, BanShape
from mailweir_gateway.models.limits import BucketShape, UsagePage, UsageShape
from mailweir_gateway.ports import SearchRefused
from mailweir_gateway.ports_edge import ServiceUnavailable
from mailweir_runtime.rpc import call, open_channel

NAME: Final = "ratelimit"
_SERVICE: Final = "/mailweir.ratelimit.v1.RatelimitService"
_IDEMPOTENT: Final = tuple(
    f"{_SERVICE}/{name}"
    for name in ("ListBans", "ExportBans", "AddBan", "ListUsage", "ListBuckets")
)
"""Not RemoveBan: asked twice, it would say that there was none."""


class GrpcRatelimit:
    """See `ports_edge.Ratelimit`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take a channel to the service."""
        self._stub = ratelimit_pb2_grpc.RatelimitServiceStub(channel)

    async def bans(self, text: str, limit: int, cursor: str) -> BanPage:
        """Return a page of bans, by subject."""
        request = ratelimit_pb2.ListBansRequest(text=text, limit=limit, cursor=cursor)
        with failures(NAME):
            page = await call(self._stub.ListBans, request, timeout=QUERY_SECONDS)
        return BanPage(items=tuple(_ban(ban) for ban in page.bans), next=page.next)

    async def export(self) -> list[str]:
        """Return the networks that a firewall may turn away."""
        request = ratelimit_pb2.ExportBansRequest()
        with failures(NAME):
            answer = await call(self._stub.ExportBans, request, timeout=QUERY_SECONDS)
        return list(answer.networks)

    async def ban(
        self, subject: str, seconds: float, reason: str, actor: str, *, close_all: bool
    ) -> BanShape:
        """Ban a network or an account by hand."""
        request = ratelimit_pb2.AddBanRequest(
            subject=subject, seconds=seconds, evidence=reason, actor=actor, close_all=close_all
        )
        with failures(NAME):
            answer = await call(self._stub.AddBan, request, timeout=COMMAND_SECONDS)
        return _ban(answer.ban)

    async def unban(self, subject: str, actor: str) -> bool:
        """Lift a ban; says whether there was one."""
        request = ratelimit_pb2.RemoveBanRequest(subject=subject, actor=actor)
        with failures(NAME):
            answer = await call(self._stub.RemoveBan, request, timeout=COMMAND_SECONDS)
        return answer.removed

    async def usage(self, subject: str, limit: int, cursor: str) -> UsagePage:
        """Return a page of how far outbound limits are used."""
        request = ratelimit_pb2.ListUsageRequest(subject=subject, limit=limit, cursor=cursor)
        with failures(NAME):
            page = await call(self._stub.ListUsage, request, timeout=QUERY_SECONDS)
        return UsagePage(items=tuple(_usage(entry) for entry in page.entries), next=page.next)

    async def buckets(self, subject: str) -> list[BucketShape]:
        """Return what the counters of a client, address or domain hold."""
        request = ratelimit_pb2.ListBucketsRequest(subject=subject)
        with failures(NAME):
            answer = await call(self._stub.ListBuckets, request, timeout=QUERY_SECONDS)
        return [_bucket(state) for state in answer.buckets]


@asynccontextmanager
async def connect_ratelimit(target: str) -> AsyncIterator[GrpcRatelimit]:
    """Open a channel; it connects at the first call, and again whenever the service comes back.

    Where `target` is empty there is none, and no call is answered.
    """
    async with open_channel(target or NOWHERE, idempotent=_IDEMPOTENT) as channel:
        yield GrpcRatelimit(channel)


def _ban(ban: ratelimit_pb2.Ban) -> BanShape:
    return BanShape(
        subject=ban.subject,
        kind=ban.kind,
        code=ban.code,
        evidence=ban.evidence,
        since=time_of(ban.since),
        until=time(ban.until),
        strikes=ban.strikes,
        close_all=ban.close_all,
        by=ban.by,
        hits=ban.hits,
    )


def _usage(entry: ratelimit_pb2.Usage) -> UsageShape:
    return UsageShape(
        subject=entry.subject,
        kind=entry.kind,
        unit=entry.unit,
        used=entry.used,
        limit=entry.limit,
        source=entry.source,
        held=entry.held,
        next_at=time(entry.next_at),
    )


def _bucket(state: ratelimit_pb2.BucketState) -> BucketShape:
    return BucketShape(
        limit=state.limit,
        key=state.key,
        unit=state.unit,
        used=state.used,
        capacity=state.capacity,
        empty_at=time(state.empty_at),
    )


class MemoryRatelimit:
    """Bans in memory; usage and counters are what `entries` and `counters` hold.

    Set `outage` to have every call raise ServiceUnavailable.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin empty."""
        self.outage = False
        self.actors: list[str] = []
        self.entries: list[UsageShape] = []
        self.counters: dict[str, list[BucketShape]] = {}
        self._clock = clock
        self._bans: dict[str, BanShape] = {}

    def _check(self) -> None:
        if self.outage:
            raise ServiceUnavailable(NAME, "as the test wants")

    async def bans(self, text: str, limit: int, cursor: str) -> BanPage:
        """Return a page of bans, by subject; the cursor is the last subject of the page before."""
        self._check()
        found = [
            ban
            for subject, ban in sorted(self._bans.items())
            if subject > cursor and text.casefold() in f"{subject} {ban.evidence}".casefold()
        ]
        items = tuple(found[:limit])
        return BanPage(items=items, next=items[-1].subject if len(found) > limit else "")

    async def export(self) -> list[str]:
        """Return the networks that a firewall may turn away."""
        self._check()
        networks = (parse_network(s) for s in self._bans if not s.startswith(ACCOUNT))
        return list(map(str, joined(networks)))

    async def ban(
        self, subject: str, seconds: float, reason: str, actor: str, *, close_all: bool
    ) -> BanShape:
        """Ban a network or an account by hand."""
        self._check()
        self.actors.append(actor)
        now, kind = self._clock.now(), OffenceKind.MANUAL
        ban = BanShape(
            subject=_subject(subject),
            kind=kind,
            code=CODES[kind],
            evidence=reason,
            since=time_of(now),
            until=time(now + seconds if seconds else 0.0),
            strikes=1,
            close_all=close_all,
            by=actor,
            hits=0,
        )
        self._bans[ban.subject] = ban
        return ban

    async def unban(self, subject: str, actor: str) -> bool:
        """Lift a ban; says whether there was one."""
        self._check()
        self.actors.append(actor)
        return self._bans.pop(_subject(subject), None) is not None

    async def usage(self, subject: str, limit: int, cursor: str) -> UsagePage:
        """Return a page of how far outbound limits are used; the cursor is a place."""
        self._check()
        found = [entry for entry in self.entries if subject in ("", entry.subject)]
        start = int(cursor or "0")
        more = len(found) > start + limit
        page = tuple(found[start : start + limit])
        return UsagePage(items=page, next=str(start + limit) if more else "")

    async def buckets(self, subject: str) -> list[BucketShape]:
        """Return what the counters of a client, address or domain hold."""
        self._check()
        return list(self.counters.get(subject, ()))


def _subject(text: str) -> str:
    if text.startswith(ACCOUNT):
        return text.lower()
    address = parse_ip(text)
    if address is not None:
        return str(ban_network(address))
    try:
        return str(parse_network(text))
    except ValueError as error:
        raise SearchRefused(f"subject: {text[:60]!r} is no network and no account") from error
