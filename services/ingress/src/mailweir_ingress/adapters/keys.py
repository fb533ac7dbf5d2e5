"""Signing keys: from a directory that is read again when it changes, and in memory."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from prometheus_client import Gauge

from mailweir_mail.auth.dkim import BadKey, SigningKey, load_private_key
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.logs import get_logger

RELOAD_SECONDS: Final = 30.0
MOST_KEYS: Final = 10_000
KEY_BYTES: Final = 16_384
KEYS_OF_A_DOMAIN: Final = 4  # each costs a signature and a field in every mail
SHARED: Final = 0o077  # mode bits that let others than the owner at a key

_log = get_logger(__name__)


class MemoryKeys:
    """Keys that are given."""

    def __init__(self, *keys: SigningKey) -> None:
        """Hold them by domain."""
        self._keys = _by_domain(keys)

    def of(self, domain: str) -> Sequence[SigningKey]:
        """Return the keys of a domain, at most four."""
        return self._keys.get(domain.lower(), ())


class KeyDirectory:
    """Keys in `<directory>/<domain>/<selector>.pem`."""

    def __init__(self, directory: Path, keys: Mapping[str, Gauge]) -> None:
        """Read the directory; raises StartupError where it cannot be read. `keys` has usable and unusable."""
        self._directory = directory
        self._gauges = keys
        try:
            self._seen = _state(directory)
        except OSError as error:
            raise StartupError(f"signing keys: cannot read {directory}: {error}") from error
        self._keys = self._load()

    def of(self, domain: str) -> Sequence[SigningKey]:
        """Return the keys of a domain, at most four, by selector."""
        return self._keys.get(domain.lower(), ())

    async def follow(self) -> None:
        """Take up what changes in the directory; runs until cancelled."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            await self.refresh()

    async def refresh(self) -> None:
        """Read again if anything changed. What cannot be read now leaves the keys as they are."""
        try:
            now = await asyncio.to_thread(_state, self._directory)
        except OSError as error:
            _log.error("signing_keys_not_read", detail=str(error)[:200])
            return
        if now != self._seen:
            self._keys = await asyncio.to_thread(self._load)
            self._seen = now

    def _load(self) -> Mapping[str, Sequence[SigningKey]]:
        usable, unusable = [], 0
        for path in _files(self._directory):
            try:
                usable.append(_read(path))
            except (OSError, BadKey) as error:
                unusable += 1
                _log.error("signing_key_unusable", file=str(path), detail=str(error)[:200])
        self._gauges["usable"].set(len(usable))
        self._gauges["unusable"].set(unusable)
        _log.info("signing_keys_read", usable=len(usable), unusable=unusable)
        return _by_domain(usable)


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*/*.pem"))[:MOST_KEYS]


def _state(directory: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes with any key; raises OSError where there is no directory."""
    next(iter(directory.iterdir()), None)  # glob is silent where a directory cannot be read
    return tuple(_states(directory))


def _states(directory: Path) -> Iterator[tuple[str, int, int]]:
    for path in _files(directory):
        found = path.stat()
        yield str(path), found.st_mtime_ns, found.st_ino


def _read(path: Path) -> SigningKey:
    """Return the key of a file. Raises OSError and BadKey."""
    with path.open("rb") as file:
        pem = file.read(KEY_BYTES + 1)
    if len(pem) > KEY_BYTES:
        raise BadKey("larger than a key can be")
    key = load_private_key(pem)
    if path.stat().st_mode & SHARED:
        _log.warning("signing_key_readable_by_others", file=str(path))
    return SigningKey(path.parent.name.lower(), path.stem.lower(), key)


def _by_domain(keys: Sequence[SigningKey]) -> Mapping[str, Sequence[SigningKey]]:
    found: dict[str, tuple[SigningKey, ...]] = {}
    for key in keys:
        found[key.domain] = (*found.get(key.domain, ()), key)[:KEYS_OF_A_DOMAIN]
    return found
