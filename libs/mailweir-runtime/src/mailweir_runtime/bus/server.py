"""The embedded nats-server: where it is, and how it is configured to lose nothing it has acknowledged."""

import shutil
import sys
from pathlib import Path
from typing import Final

MAX_PAYLOAD_BYTES: Final = 4 * 1024 * 1024
"""Largest bus message: an inline body of 512 KiB and its record, with room; and big body chunks."""
MIN_VERSION: Final = (2, 12)
"""Least server: per-message TTL, batched direct gets, delayed redelivery that outlives a restart."""
PROGRAM: Final = "nats-server"


def find_server() -> Path | None:
    """Return the nats-server of this Python environment, else the one on PATH, else None."""
    beside = Path(sys.executable).parent / PROGRAM
    if beside.is_file():
        return beside
    found = shutil.which(PROGRAM)
    return None if found is None else Path(found)


def server_config(
    store_dir: Path,
    host: str,
    port: int,
    *,
    name: str = "mailweir",
    max_store_bytes: int | None = None,
    sync_interval: str = "always",
) -> str:
    """Return the configuration text of a single server with JetStream.

    `sync_interval: always`: without it the server acknowledges what a crash can lose. `max_store_bytes`:
    None leaves the server's own limit, three quarters of the free disk.
    """
    store = [f"store_dir: {_quoted(str(store_dir))}", f"sync_interval: {sync_interval}"]
    if max_store_bytes is not None:
        store.append(f"max_file_store: {max_store_bytes}")
    lines = [
        f"server_name: {_quoted(name)}",
        f"listen: {_quoted(f'[{host}]:{port}' if ':' in host else f'{host}:{port}')}",
        f"max_payload: {MAX_PAYLOAD_BYTES}",
        "max_pending: 67108864",
        "jetstream {",
        *(f"  {line}" for line in store),
        "}",
    ]
    return "\n".join(lines) + "\n"


def write_config(path: Path, text: str) -> None:
    """Write a configuration file that only its owner reads."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
