"""The quarantine over gRPC, and one in memory."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import grpc.aio

from mailweir.quarantine.v1 import quarantine_pb2, quarantine_pb2_grpc
from mailweir_core.decision import State
from mailweir_core.reasons import Reason
from mailweir_ratelimit.ports import HeldState, QuarantineAway, Release
from mailweir_runtime.rpc import RpcFailed, call, open_channel

ASK_SECONDS: Final = 10.0
ACTOR: Final = "ratelimit"
"""Who released it, for the audit."""
_SERVICE: Final = "/mailweir.quarantine.v1.QuarantineService"
_IDEMPOTENT: Final = (f"{_SERVICE}/Get", f"{_SERVICE}/Release")


class GrpcQuarantine:
    """See `ports.HeldMail`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take a channel to the service."""
        self._stub = quarantine_pb2_grpc.QuarantineServiceStub(channel)

    async def look(self, ref: str) -> HeldState | None:
        """Return where a message is; raises QuarantineAway."""
        with _failures():
            found = await call(
                self._stub.Get, quarantine_pb2.GetRequest(id=ref), timeout=ASK_SECONDS
            )
        if not found.HasField("summary") or not found.summary.reason:  # its record is still to come
            return None
        held = found.summary.state == State.HELD
        return HeldState(held, found.summary.reason == Reason.OVER_LIMIT)

    async def release(self, ref: str) -> Release:
        """Let a message out; raises QuarantineAway."""
        request = quarantine_pb2.ReleaseRequest(ids=[ref], actor=ACTOR)
        with _failures():
            answer = await call(self._stub.Release, request, timeout=ASK_SECONDS)
        if not answer.results:
            return Release(done=False)
        return Release(answer.results[0].done, answer.results[0].state == State.HELD)


@asynccontextmanager
async def connect_quarantine(target: str) -> AsyncIterator[GrpcQuarantine]:
    """Open a channel; it connects at the first call, and again whenever the service comes back."""
    async with open_channel(target, idempotent=_IDEMPOTENT) as channel:
        yield GrpcQuarantine(channel)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except RpcFailed as error:
        raise QuarantineAway(str(error)) from error


class MemoryQuarantine:
    """Held mail in memory; `away` makes every call raise QuarantineAway. `released`: in order."""

    def __init__(self) -> None:
        """Begin empty."""
        self.away = False
        self.states: dict[str, HeldState] = {}
        self.without_body: set[str] = set()
        self.released: list[str] = []

    def hold(self, ref: str, *, over_limit: bool = True) -> None:
        """Take a message in."""
        self.states[ref] = HeldState(held=True, over_limit=over_limit)

    def _check(self) -> None:
        if self.away:
            raise QuarantineAway("as the test wants")

    async def look(self, ref: str) -> HeldState | None:
        """Return where a message is."""
        self._check()
        return self.states.get(ref)

    async def release(self, ref: str) -> Release:
        """Let a message out, once."""
        self._check()
        state = self.states.get(ref)
        if state is None:
            return Release(done=False)
        if ref in self.without_body:
            return Release(done=False, held=True)
        if state.held:
            self.states[ref] = HeldState(held=False, over_limit=state.over_limit)
            self.released.append(ref)
        return Release(done=ref in self.released)
