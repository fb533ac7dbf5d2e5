"""The embedded nats-server: where it is, and how it is configured to lose nothing it has acknowledged."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

MAX_PAYLOAD_BYTES: Final = 4 * 1024 * 1024
"""Largest bus message: an inline body of 512 KiB and its record, with room; and big body chunks."""
MIN_VERSION: Final = (2, 12)
"""Least server: per-message TTL, batched direct gets, delayed redelivery that outlives a restart."""
MAX_MEMORY_BYTES: Final = 256 * 1024 * 1024
"""What the buckets in memory may hold together; full, they refuse, and who counts there lets pass."""
RESERVE_BYTES: Final = 1024 * 1024 * 1024
RESERVE_SHARE: Final = 20
"""What the store leaves free for the others on its disk: 1 GiB, or a twentieth of a small disk."""
LEAST_STORE_BYTES: Final = 1024 * 1024
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
    None takes what the disk has, see `store_limit`.
    """
    limit = store_limit(store_dir) if max_store_bytes is None else max_store_bytes
    store = [
        f"store_dir: {_quoted(str(store_dir))}",
        f"sync_interval: {sync_interval}",
        f"max_file_store: {limit}",
        f"max_memory_store: {MAX_MEMORY_BYTES}",
    ]
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


def store_limit(store_dir: Path) -> int:
    """Return how many bytes the store may hold: what it holds, and the free disk but for a reserve.

    Left to itself the server takes three quarters of the disk that is free when it starts: restarted over a
    full queue it would refuse all new mail, though there is room. And it must not run into the end of the
    disk: then a stream stops answering until the server is started again.
    """
    disk = shutil.disk_usage(_existing(store_dir))
    reserve = min(RESERVE_BYTES, disk.total // RESERVE_SHARE)
    return max(_used(store_dir) + disk.free - reserve, LEAST_STORE_BYTES)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _used(store_dir: Path) -> int:
    used = 0
    for directory, _, names in os.walk(store_dir):
        for name in names:
            try:
                used += (Path(directory) / name).stat().st_size
            except FileNotFoundError:
                continue  # the server tidies up meanwhile
    return used


def write_config(path: Path, text: str) -> None:
    """Write a configuration file that only its owner reads."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
