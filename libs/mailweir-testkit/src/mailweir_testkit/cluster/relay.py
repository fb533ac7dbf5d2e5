"""Hands connections to a unix socket on to a TCP address of another network.

    python -m mailweir_testkit.cluster.relay SOCKET HOST PORT

Run inside the cluster's network, it makes a Service there reachable from here: the socket is a file, and
files are the same on both sides. Each connection looks the name up anew, so it outlives the pods behind it.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

_CHUNK = 65_536


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def serve(socket: Path, host: str, port: int) -> None:
    """Serve until the process is ended."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, back))
            both.create_task(_copy(there, writer))

    server = await asyncio.start_unix_server(connected, socket)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Run as a process."""
    socket, host, port = sys.argv[1:]
    asyncio.run(serve(Path(socket), host, int(port)))


if __name__ == "__main__":
    main()
