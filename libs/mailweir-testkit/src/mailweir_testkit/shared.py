"""Where tests find what lies beside the project: other projects' suites and a corpus of real mail.

`MAILWEIR_SHARED` names the folder, `../shared` from the project's root is its default. Everything here
answers None where it is absent, so that a plain checkout skips those tests and says so.
"""

import csv
import fcntl
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

ABSENT: Final = "shared test data is absent (set MAILWEIR_SHARED to its folder)"
PROJECT: Final = Path(__file__).resolve().parents[4]


class _Places(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    mailweir_shared: Path = Path("../shared")
    xdg_cache_home: Path | None = None


@dataclass(frozen=True, slots=True)
class CorpusMail:
    """One line of the corpus' manifest; `path` is relative to `corpus_dir()`."""

    path: str
    label: Literal["ham", "spam"]
    set: str
    year: str
    headers: str
    bytes: int
    cluster: str


def shared_dir() -> Path | None:
    """Return the shared folder, or None where there is none."""
    place = (PROJECT / _Places().mailweir_shared).resolve()
    return place if (place / "peers").is_dir() or (place / "corpus").is_dir() else None


def peers_dir(name: str) -> Path | None:
    """Return the folder of one peer's test data, or None where it is absent."""
    shared = shared_dir()
    place = shared / "peers" / name if shared else None
    return place if place and place.is_dir() else None


def cache_dir() -> Path:
    """Return the user's cache folder for test data; it is made if need be, outside the project."""
    home = _Places().xdg_cache_home
    place = (home or Path.home() / ".cache") / "mailweir"
    place.mkdir(parents=True, exist_ok=True)
    return place


def corpus_dir() -> Path | None:
    """Return the unpacked mail corpus, or None where its archive is absent.

    The first call unpacks it (some ten seconds); later ones, from any process, find it there.
    """
    shared = shared_dir()
    archive = shared / "corpus" / "mail.tar.xz" if shared else None
    if archive is None or not archive.is_file():
        return None
    stat = archive.stat()
    place = cache_dir() / f"corpus-{stat.st_size}-{stat.st_mtime_ns}"
    if not place.is_dir():
        with _only_one(cache_dir() / "corpus.lock"):
            if not place.is_dir():
                _unpack(archive, place)
    return _inner(place)


def corpus_manifest() -> list[CorpusMail]:
    """Return what the corpus holds, in the manifest's order; empty where it is absent."""
    place = corpus_dir()
    if place is None:
        return []
    with (place / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        return [_mail(row) for row in csv.DictReader(lines)]


def corpus_sample(count: int) -> list[CorpusMail]:
    """Return about `count` mails, the same on each call, of every set and class in its proportion (≥ 1)."""
    groups: dict[tuple[str, str], list[CorpusMail]] = {}
    manifest = corpus_manifest()
    for mail in manifest:
        groups.setdefault((mail.set, mail.label), []).append(mail)
    sample: list[CorpusMail] = []
    for group in groups.values():
        share = max(1, round(count * len(group) / len(manifest)))
        sample.extend(group[:: max(1, len(group) // share)][:share])
    return sample


def _mail(row: dict[str, str]) -> CorpusMail:
    return CorpusMail(
        path=row["path"],
        label="spam" if row["class"] == "spam" else "ham",
        set=row["set"],
        year=row["year"],
        headers=row["headers"],
        bytes=int(row["bytes"]),
        cluster=row["near_dup_cluster"],
    )


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _unpack(archive: Path, place: Path) -> None:
    """Unpack beside the place and rename, so that a broken run leaves nothing half done."""
    scratch = Path(tempfile.mkdtemp(prefix="corpus-unpack-", dir=place.parent))
    try:
        with tarfile.open(archive, "r:xz") as tar:
            tar.extractall(scratch, filter="data")
        scratch.rename(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _inner(place: Path) -> Path:
    """Return the folder with the manifest: the archive may hold one folder around everything."""
    if (place / "manifest.csv").is_file():
        return place
    return next(found.parent for found in sorted(place.glob("*/manifest.csv")))
