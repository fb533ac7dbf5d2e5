"""A process for the supervisor's tests: answers /readyz where DUMMY_METRICS says, and behaves as told.

Arguments: what to do, a file that gets a line at the start and at the stop, a name.
"""

import os
import signal
import socket
import sys
import time
from pathlib import Path


def note(file: Path, word: str) -> None:
    with file.open("a") as out:
        out.write(f"{Path(sys.argv[0]).stem} {sys.argv[3]} {word} {os.getpid()}\n")


def serve(state: bytes, times: float = float("inf")) -> None:
    host, _, port = os.environ["DUMMY_METRICS"].rpartition(":")  # noqa: TID251 - it stands alone
    with socket.create_server((host, int(port))) as server:
        while times > 0:
            times -= 1
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + state + b"\n")


def main() -> None:
    how, file = sys.argv[1], Path(sys.argv[2])
    note(file, "start")

    def stop(*_: object) -> None:
        note(file, "stop")
        if how != "stubborn":
            sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    sys.stderr.write('{"event": "a line of JSON"}\n')
    match how:
        case "serve" | "stubborn":
            serve(b"ready")
        case "degraded":
            serve(b"degraded: a part is missing")
        case "mute":
            serve(b"ready", times=1)
            time.sleep(60)
        case "settings":
            sys.stderr.write(
                "MAILWEIR_Y: there is no such setting\nMAILWEIR_X: 'loud' is no level\n"
            )
            sys.exit(2)
        case "start":
            sys.stderr.write("mailweir-x: cannot listen on 127.0.0.1:1\n")
            sys.exit(3)
        case "crash":
            raise ValueError("at last")
        case "silent":
            time.sleep(60)


if __name__ == "__main__":
    main()
