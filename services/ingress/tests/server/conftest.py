"""A whole ingress on loopback, with the world behind it in memory, and a client that speaks to it."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailweir.events.v1 import events_pb2
from mailweir_core.passwords import hash_password
from mailweir_core.record import Envelope, Listener
from mailweir_ingress.adapters.scoring import MemoryScorer
from mailweir_ingress.app import Address, Ingress, build
from mailweir_ingress.edge import Services
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_ingress.settings import Settings
from mailweir_policy import Policy, policy_from
from mailweir_policy.paths import assign
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.topology import ACCOUNTS, JUDGED, MAIL
from mailweir_runtime.config import PolicySnapshot
from mailweir_runtime.lifecycle import Runtime
from mailweir_runtime.listen import HostPort
from mailweir_testkit.runtime import running_runtime

SECONDS = 10.0
Judge = Callable[[Envelope, bytes], ContentVerdict]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: its code, and the text of each line."""

    code: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.code} {' / '.join(self.lines)}"

    @property
    def enhanced(self) -> str:
        return self.lines[-1].partition(" ")[0]


class Client:
    """An SMTP client that does just what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> Reply:
        """Return the next reply; raises EOFError at the end."""
        lines = []
        async with asyncio.timeout(SECONDS):
            while True:
                line = await self.reader.readline()
                if not line:
                    raise EOFError
                assert line.endswith(b"\r\n")
                text = line[:-2].decode()
                lines.append(text[4:])
                if text[3:4] != "-":
                    return Reply(int(text[:3]), tuple(lines))

    async def ask(self, line: str) -> Reply:
        await self.send(line.encode() + b"\r\n")
        return await self.reply()

    async def greet(self) -> None:
        assert (await self.reply()).code == 220
        assert (await self.ask("EHLO client.example.net")).code == 250

    async def begin(self, *recipients: str, sender: str = "anna@example.net") -> None:
        """Go up to the reply to DATA."""
        assert (await self.ask(f"MAIL FROM:<{sender}>")).code == 250
        for recipient in recipients or ("bob@example.com",):
            assert (await self.ask(f"RCPT TO:<{recipient}>")).code == 250
        assert (await self.ask("DATA")).code == 354

    async def deliver(self, content: bytes = b"Subject: x\r\n\r\nhello\r\n") -> Reply:
        """Send one message; returns the reply to its end."""
        await self.begin()
        await self.send(content + b".\r\n")
        return await self.reply()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        assert (await self.ask("STARTTLS")).code == 220
        await self.handshake(context)

    async def handshake(self, context: ssl.SSLContext) -> None:
        async with asyncio.timeout(SECONDS):
            await self.writer.start_tls(context, server_hostname="localhost")

    async def log_in(self, login: str, password: str) -> Reply:
        both = base64.b64encode(f"\0{login}\0{password}".encode()).decode()
        return await self.ask(f"AUTH PLAIN {both}")

    async def ended(self) -> bool:
        """Say whether the server closes now, without a word more."""
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@dataclass(slots=True)
class Config:
    """A policy that a test may change."""

    current: PolicySnapshot


@dataclass(slots=True)
class Gate:
    """The running ingress and what is behind it."""

    rt: Runtime
    bus: MemoryBus
    scorer: MemoryScorer
    ingress: Ingress
    config: Config
    tls: ssl.SSLContext
    clients: list[Client] = field(default_factory=list)

    async def connect(self, listener: Listener = Listener.MX) -> Client:
        where = self.ingress.bound[listener][0]
        client = Client(*await asyncio.open_connection(where.host, where.port))
        self.clients.append(client)
        return client

    async def greeted(self, listener: Listener = Listener.MX) -> Client:
        client = await self.connect(listener)
        if listener is Listener.SUBMISSIONS:
            await client.handshake(self.tls)
        await client.greet()
        return client

    async def submitter(self) -> Client:
        """Return a client on the submission port, over TLS, not logged in."""
        client = await self.greeted(Listener.SUBMISSION)
        await client.start_tls(self.tls)
        assert (await client.ask("EHLO client.example.net")).code == 250
        return client

    def swap(self, **fields: Any) -> None:
        """Put another policy in force."""
        self.config.current = PolicySnapshot(a_policy(fields), "v.2")

    def mails(self) -> list[events_pb2.QueuedMail]:
        return [events_pb2.QueuedMail.FromString(m.payload) for m in self.bus.stored(MAIL)]

    def records(self) -> list[events_pb2.Judged]:
        return [events_pb2.Judged.FromString(m.payload) for m in self.bus.stored(JUDGED)]

    async def record(self) -> events_pb2.Judged:
        """Return the only record, once it is there."""
        await until(lambda: len(self.records()) > 0)
        (found,) = self.records()
        return found

    def sample(self, name: str, **labels: str) -> float:
        value = self.rt.registry.get_sample_value(f"mailweir_ingress_{name}", labels)
        assert value is not None, f"no series {name} {labels}"
        return value


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SECONDS):
        while not true():
            await asyncio.sleep(0.005)


def a_policy(fields: Mapping[str, Any]) -> Policy:
    """Return the default policy with fields set; `__` stands for the dot of a path."""
    document = Policy().model_dump(mode="json")
    for path, value in fields.items():
        assign(document, path.replace("__", "."), value)
    return policy_from(document)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return a certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return the server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return a context that trusts the server."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def add_account(bus: MemoryBus, login: str, password: str, *senders: str) -> None:
    """Write an account as the gateway does."""
    key = base64.b32encode(login.encode()).decode().lower().rstrip("=")
    scrypt = hash_password(password).to_dict()
    account = {"login": login, "scrypt": scrypt, "senders": senders, "disabled": False}
    bucket = await bus.bucket(ACCOUNTS)
    await bucket.put(key, json.dumps(account).encode())


MakeGate = Callable[..., AbstractAsyncContextManager[Gate]]


@pytest.fixture
def gate(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> MakeGate:
    """Return how to run an ingress: `async with gate(session__idle_seconds=1) as g`."""

    @asynccontextmanager
    async def make(
        *,
        judge: Judge | None = None,
        scorer: MemoryScorer | None = None,
        bus: MemoryBus | None = None,
        tls: ssl.SSLContext | None = server_tls,
        accounts: Mapping[str, tuple[str, ...]] | None = None,
        keys: Path | None = None,
        services: Services | None = None,
        **fields: Any,
    ) -> AsyncIterator[Gate]:
        bus = bus or MemoryBus()
        scorer = scorer or MemoryScorer(judge)
        config = Config(PolicySnapshot(a_policy(fields), "v.1"))
        for login, (password, *senders) in (accounts or {}).items():
            await add_account(bus, login, password, *senders)
        addresses = [Address(listener, HostPort("127.0.0.1", 0)) for listener in Listener]
        settings = Settings(drain_seconds=5, signing_keys_dir=keys)
        async with (
            running_runtime("ingress", settings) as rt,
            build(rt, bus, config, scorer, addresses, tls=tls, services=services) as ingress,
        ):
            running = Gate(rt, bus, scorer, ingress, config, client_tls)
            try:
                yield running
            finally:
                for client in running.clients:
                    await client.close()
            await until(lambda: len(ingress.sessions) == 0)

    return make
