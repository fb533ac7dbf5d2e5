"""How much room the disk of a database's file has."""

import shutil
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.engine import make_url

UNKNOWN: Final = float("nan")
"""PostgreSQL's disk is elsewhere, and so is who measures it."""


class Room:
    """Two gauges: free bytes and all bytes of the disk that holds the database."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        """Declare them, unknown until `of` says where to look."""
        self._free = Gauge(
            f"mailweir_{service}_disk_free_bytes",
            "Free bytes of the disk with the database's file; not a number for PostgreSQL.",
            registry=registry,
        )
        self._size = Gauge(
            f"mailweir_{service}_disk_size_bytes",
            "Size of the disk with the database's file; not a number for PostgreSQL.",
            registry=registry,
        )
        self._free.set(UNKNOWN)
        self._size.set(UNKNOWN)

    def of(self, url: str) -> None:
        """Measure the disk of a database's URL from now on, at every scrape."""
        parts = make_url(url)
        if not parts.drivername.startswith("sqlite") or not parts.database:
            return
        folder = Path(parts.database).absolute().parent
        self._free.set_function(lambda: _usage(folder)[0])
        self._size.set_function(lambda: _usage(folder)[1])


def _usage(folder: Path) -> tuple[float, float]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return UNKNOWN, UNKNOWN
    return float(usage.free), float(usage.total)
