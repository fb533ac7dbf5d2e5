"""An ingress in the test's own process, as the server that dialogue scripts are played against."""

import base64
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trustme

from mailweir.events.v1.events_pb2 import QueuedMail
from mailweir_core.passwords import hash_password
from mailweir_core.record import Listener
from mailweir_ingress.adapters.scoring import MemoryScorer
from mailweir_ingress.app import Address, Ingress, build
from mailweir_policy.document import dumps, policy_from
from mailweir_policy.paths import assign
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.topology import ACCOUNTS, MAIL
from mailweir_runtime.config import static_config
from mailweir_runtime.listen import HostPort
from mailweir_testkit.dialogue import Account, Kept, Opener, Script
from mailweir_testkit.runtime import running_runtime


@dataclass(frozen=True, slots=True)
class InProcess:
    """The ingress with the real bus contract in memory; every message is judged clean."""

    ingress: Ingress
    bus: MemoryBus
    authority: trustme.CA

    def address(self, listener: str) -> tuple[str, int]:
        """Return where a door is."""
        where = self.ingress.bound[Listener(listener)][0]
        return where.host, where.port

    def client_tls(self) -> ssl.SSLContext:
        """Return a context that trusts the ingress."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    async def kept(self) -> Sequence[Kept]:
        """Return what was published for delivery or quarantine, bodies fetched."""
        return [await self._kept(stored.payload) for stored in self.bus.stored(MAIL)]

    async def _kept(self, payload: bytes) -> Kept:
        mail = QueuedMail.FromString(payload)
        content = mail.content
        if mail.HasField("body"):
            content = await self.bus.bodies.get(mail.body.key) or b""
        envelope = mail.envelope
        return Kept(envelope.sender, tuple(envelope.recipients), mail.action, content)


async def _add(bus: MemoryBus, account: Account) -> None:
    key = base64.b32encode(account.login.lower().encode()).decode().rstrip("=").lower()
    document = {
        "login": account.login,
        "scrypt": hash_password(account.password).to_dict(),
        "senders": list(account.senders),
        "disabled": False,
    }
    await (await bus.bucket(ACCOUNTS)).put(key, json.dumps(document).encode())


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return one certificate authority for all scripts."""
    return trustme.CA()


@pytest.fixture
def opened(authority: trustme.CA) -> Opener:
    """Return a function that runs an ingress with a script's policy and accounts."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)

    @asynccontextmanager
    async def run(script: Script) -> AsyncIterator[InProcess]:
        document = json.loads(dumps(policy_from({})))
        assign(document, "edge.wait.enabled", False)  # scripts say what they wait for
        for path, value in script.policy:
            assign(document, path, value)
        bus = MemoryBus()
        for account in script.accounts:
            await _add(bus, account)
        config = static_config(policy_from(document))
        addresses = [Address(listener, HostPort("127.0.0.1", 0)) for listener in Listener]
        async with (
            running_runtime("ingress") as rt,
            build(rt, bus, config, MemoryScorer(), addresses, tls=tls) as ingress,
        ):
            rt.ready()
            yield InProcess(ingress, bus, authority)

    return run
