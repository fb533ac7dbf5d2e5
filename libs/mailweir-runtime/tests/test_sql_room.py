"""The room on the disk of a database's file."""

import math
import shutil
from pathlib import Path

from prometheus_client import CollectorRegistry

from mailweir_runtime.sql import Room


def values(registry: CollectorRegistry) -> tuple[float, float]:
    """Return free and all bytes."""
    free, size = (
        registry.get_sample_value(f"mailweir_quarantine_disk_{what}_bytes")
        for what in ("free", "size")
    )
    assert free is not None
    assert size is not None
    return free, size


def test_of_a_file_it_is_that_of_its_disk(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    Room("quarantine", registry).of(f"sqlite+aiosqlite:///{tmp_path}/q.db")
    free, size = values(registry)
    assert size == shutil.disk_usage(tmp_path).total
    assert 0 < free <= size


def test_of_postgresql_it_is_unknown() -> None:
    registry = CollectorRegistry()
    room = Room("quarantine", registry)
    assert all(map(math.isnan, values(registry)))
    room.of("postgresql+asyncpg://user:word@host/mail")
    assert all(map(math.isnan, values(registry)))


def test_a_folder_that_is_gone_is_unknown(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    Room("quarantine", registry).of(f"sqlite+aiosqlite:///{tmp_path}/gone/q.db")
    assert all(map(math.isnan, values(registry)))
