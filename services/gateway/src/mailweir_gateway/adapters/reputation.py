"""The service `reputation`: over gRPC, and one in memory for unit tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc.aio

from mailweir.reputation.v1 import reputation_pb2, reputation_pb2_grpc
from mailweir_gateway.adapters.edge import NOWHERE, QUERY_SECONDS, failures
from mailweir_gateway.adapters.explain import time
from mailweir_gateway.models.reputation import HistoryShape, ZoneShape
from mailweir_gateway.ports_edge import ServiceUnavailable
from mailweir_runtime.rpc import call, open_channel

NAME: Final = "reputation"
_SERVICE: Final = "/mailweir.reputation.v1.ReputationService"
_IDEMPOTENT: Final = tuple(f"{_SERVICE}/{name}" for name in ("ListZones", "GetHistory"))


class GrpcReputation:
    """See `ports_edge.Reputation`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take a channel to the service."""
        self._stub = reputation_pb2_grpc.ReputationServiceStub(channel)

    async def zones(self) -> list[ZoneShape]:
        """Return how each DNS list fares."""
        with failures(NAME):
            answer = await call(
                self._stub.ListZones, reputation_pb2.ListZonesRequest(), timeout=QUERY_SECONDS
            )
        return [_zone(zone) for zone in answer.zones]

    async def history(self, subject: str) -> list[HistoryShape]:
        """Return what is remembered of an address, network, domain or mail address."""
        request = reputation_pb2.GetHistoryRequest(subject=subject)
        with failures(NAME):
            answer = await call(self._stub.GetHistory, request, timeout=QUERY_SECONDS)
        return [_history(entry) for entry in answer.entries]


@asynccontextmanager
async def connect_reputation(target: str) -> AsyncIterator[GrpcReputation]:
    """Open a channel; it connects at the first call, and again whenever the service comes back.

    Where `target` is empty there is none, and no call is answered.
    """
    async with open_channel(target or NOWHERE, idempotent=_IDEMPOTENT) as channel:
        yield GrpcReputation(channel)


def _zone(zone: reputation_pb2.ZoneHealth) -> ZoneShape:
    return ZoneShape(
        name=zone.name,
        title=zone.title,
        state=zone.state,
        remedy=zone.remedy,
        muted_until=time(zone.muted_until),
        queries=zone.queries,
        hits=zone.hits,
        errors=zone.errors,
        hit_share=zone.hit_share,
        usual_share=zone.usual_share,
        median_ms=zone.median_seconds * 1000,
        probed_at=time(zone.probed_at),
    )


def _history(entry: reputation_pb2.HistoryEntry) -> HistoryShape:
    return HistoryShape(
        kind=entry.kind,
        key=entry.key,
        messages=entry.messages,
        spam=entry.spam,
        mean_score=entry.total_score / entry.messages if entry.messages > 0 else 0.0,
        seen_at=time(entry.seen_at),
    )


class MemoryReputation:
    """Lists and memories that a test puts in. Set `outage` to have every call raise."""

    def __init__(self) -> None:
        """Begin empty."""
        self.outage = False
        self.lists: list[ZoneShape] = []
        self.memories: dict[str, list[HistoryShape]] = {}

    def _check(self) -> None:
        if self.outage:
            raise ServiceUnavailable(NAME, "as the test wants")

    async def zones(self) -> list[ZoneShape]:
        """Return how each DNS list fares."""
        self._check()
        return list(self.lists)

    async def history(self, subject: str) -> list[HistoryShape]:
        """Return what is remembered of an address, network, domain or mail address."""
        self._check()
        return list(self.memories.get(subject, ()))
