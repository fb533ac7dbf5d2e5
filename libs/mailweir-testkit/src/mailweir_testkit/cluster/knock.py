"""Connects from an address outside, says what it is told to, and prints what it hears.

Here: `knock(cluster, source, host, said)`; there, as a process of its own:
`python -m mailweir_testkit.cluster.knock SOURCE HOST PORT HEX`.
"""

import socket
import sys
from typing import Final

from mailweir_testkit.cluster.tool import PYTHON, Cluster

_SILENCE_SECONDS: Final = 20.0
_CHUNK: Final = 4096


def knock(cluster: Cluster, source: str, host: str, said: bytes, port: int = 25) -> str:
    """Return all that a server answers until it hangs up or has been silent for 20 s."""
    command = (PYTHON, "-m", "mailweir_testkit.cluster.knock", source, host, str(port), said.hex())
    return cluster.outside(*command)


def heard(source: str, host: str, port: int, said: bytes) -> str:
    """Return what is answered; a reset counts as the end."""
    found = b""
    with socket.create_connection((host, port), _SILENCE_SECONDS, (source, 0)) as connection:
        connection.sendall(said)
        try:
            while data := connection.recv(_CHUNK):
                found += data
        except (TimeoutError, ConnectionError):
            pass
    return found.decode("utf-8", "replace")


def main() -> None:
    """Run as a process."""
    source, host, port, said = sys.argv[1:]
    sys.stdout.write(heard(source, host, int(port), bytes.fromhex(said)))


if __name__ == "__main__":
    main()
