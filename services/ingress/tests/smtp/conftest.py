"""A lobby with everything behind it in memory, and connections that are none."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_core.record import Listener, Session
from mailweir_ingress.adapters.accounts import MemoryAccounts
from mailweir_ingress.adapters.bans import MemoryBans
from mailweir_ingress.adapters.keeper import MemoryKeeper
from mailweir_ingress.adapters.passes import MemoryPasses
from mailweir_ingress.metrics import declare
from mailweir_ingress.policy.edge import Screened
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_ingress.ports import STRANGER
from mailweir_ingress.smtp.budget import MemoryBudget
from mailweir_ingress.smtp.gate import Gate
from mailweir_ingress.smtp.house import Door, House
from mailweir_ingress.smtp.lobby import Lobby
from mailweir_ingress.smtp.sessions import Sessions
from mailweir_policy import policy_from
from mailweir_runtime.logs import get_logger


class Pipe(asyncio.Transport):
    """A transport that notes what is done to it."""

    def __init__(self, peer: str) -> None:
        super().__init__()
        self.peer = (peer, 4321) if peer else None
        self.did: list[str] = []
        self.written = b""
        self.protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.peer if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        self.did.append("eof")

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.did.append("close")

    def abort(self) -> None:
        self.did.append("abort")

    def is_closing(self) -> bool:
        return "close" in self.did or "abort" in self.did

    def pause_reading(self) -> None:
        self.did.append("pause")

    def resume_reading(self) -> None:
        self.did.append("resume")

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class FakeEdge:
    """Says of everybody what it is told to say."""

    def __init__(self) -> None:
        self.deployed: tuple[str, ...] = ()
        self.says: Screened | Exception = Screened(None, STRANGER)
        self.asked: list[tuple[Session, Screened | None]] = []

    async def screen(
        self, session: Session, rules: Rules, remembered: Screened | None = None
    ) -> Screened:
        del rules
        self.asked.append((session, remembered))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@dataclass(frozen=True, slots=True)
class Visit:
    """A connection's two ends."""

    gate: Gate
    pipe: Pipe

    @property
    def told(self) -> str:
        """Return what the client has read, without references and line ends."""
        return self.pipe.written.decode().partition(" [")[0].rstrip()


@dataclass(slots=True)
class World:
    """A lobby, what is behind it, and what it has begun."""

    rules: Rules
    clock: ManualClock = field(default_factory=ManualClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    edge: FakeEdge = field(default_factory=FakeEdge)
    bans: MemoryBans = field(default_factory=MemoryBans)
    keeper: MemoryKeeper = field(default_factory=MemoryKeeper)
    checks: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    lobby: Lobby = field(init=False)
    house: House = field(init=False)

    def __post_init__(self) -> None:
        async def never(_: Any) -> Any:
            raise AssertionError

        self.house = House(
            rules=lambda: self.rules,
            clock=self.clock,
            sessions=Sessions(lambda: self.rules, self.clock),
            budget=MemoryBudget(lambda: self.rules.policy.session.memory_bytes),
            receive=never,
            probe=cast(Any, None),
            accounts=MemoryAccounts(),
            edge=cast(Any, self.edge),
            bans=self.bans,
            passes=MemoryPasses(self.clock),
            keeper=self.keeper,
            metrics=declare(self.registry),
            log=get_logger("test").bind(),
            pause=never,
        )
        self.lobby = Lobby(self.house, self.checks.append)

    def connect(self, peer: str = "198.51.100.7", listener: Listener = Listener.MX) -> Visit:
        """Have a client connect."""
        gate, pipe = Gate(self.lobby, Door(listener, None, self.house)), Pipe(peer)
        gate.connection_made(pipe)
        return Visit(gate, pipe)

    async def checked(self) -> None:
        """Have everything answered that was asked."""
        while self.checks:
            await self.checks.pop(0)

    def sample(self, name: str, **labels: str) -> float:
        """Return a metric."""
        value = self.registry.get_sample_value(f"mailweir_ingress_{name}", labels)
        assert value is not None, f"no series {name} {labels}"
        return value


MakeWorld = Callable[..., World]


@pytest.fixture
def world() -> Iterator[MakeWorld]:
    """Return how to make a world: `world(session={"sessions": 2})`."""
    made: list[World] = []

    def make(**sections: Mapping[str, Any]) -> World:
        made.append(World(compile_rules(policy_from(sections), "v.1")))
        return made[-1]

    yield make
    for one in made:
        for check in one.checks:
            check.close()
