"""What the first start makes: the admin key, the demo account, the first policy.

Each step may be cut short and done again. The files come before what they are the key to, so nothing is ever
in force whose secret nobody can read.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mailweir_core.clock import Clock
from mailweir_gateway.accounts import Accounts
from mailweir_gateway.policy.keys import digest, is_key, new_key
from mailweir_gateway.ports import Keys, StoredKey
from mailweir_policy import InvalidPolicyError, Policy, loads
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.config import current, ensure_first
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.logs import get_logger
from mailweir_runtime.sql import SqlError, SqlRefused

ADMIN: Final = "admin"
DEMO_LOGIN: Final = "demo@example.com"
PASSWORD_BYTES: Final = 12
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
FOLLOW_SECONDS: Final = 30.0
"""How often it is looked whether the file holds another key."""
Say = Callable[[str], object]

_log = get_logger(__name__)


def say_aloud(text: str) -> None:
    """Write to a terminal. What is a file or a pipe is somebody's log: a secret has no place there."""
    if sys.stdout.isatty():
        sys.stdout.write(text)
        sys.stdout.flush()


async def admin_key(keys: Keys, path: Path, clock: Clock, say: Say = say_aloud) -> None:
    """See to it that there is an admin key: the file's, the one that is known, or a new one.

    A key that lies in the file is the admin key, whatever was before: so it may come from a secret that is
    mounted, and be changed there. A new one is written to the file, and said once to a terminal.
    Raises StartupError, SqlError.
    """
    written = await asyncio.to_thread(_read, path)
    if written is not None:
        if not is_key(written):
            raise StartupError(f"{path} holds no API key; remove it to have one made")
        await _take(keys, written, clock)
        return
    if await keys.by_name(ADMIN) is not None:
        return  # made long ago, and its file taken away
    key = new_key(secrets.token_urlsafe)
    await asyncio.to_thread(write_secret, path, key)
    await keys.put(StoredKey(ADMIN, digest(key), clock.now()))
    say(f"admin API key, also in {path}: {key}\n")


async def follow_admin_key(keys: Keys, path: Path, clock: Clock) -> None:
    """Take up a key that was changed in its file, so that a secret is changed where it is kept; for ever.

    What is no key, or is gone, changes nothing: the last key holds.
    """
    seen = await asyncio.to_thread(_read_or_none, path)
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        written = await asyncio.to_thread(_read_or_none, path)
        if written in (seen, None) or not is_key(str(written)):
            continue
        try:
            await _take(keys, str(written), clock)
        except SqlError as error:
            _log.warning("admin_key_not_taken", detail=str(error))
            continue
        seen = written
        _log.info("admin_key_changed", file=str(path))


async def _take(keys: Keys, key: str, clock: Clock) -> None:
    """Make a key the admin key; another replica that does the same at the same time is no error."""
    if await _is_admin(keys, key):
        return
    try:
        await keys.put(StoredKey(ADMIN, digest(key), clock.now()))
    except SqlRefused:
        if not await _is_admin(keys, key):
            raise


async def _is_admin(keys: Keys, key: str) -> bool:
    known = await keys.by_digest(digest(key))
    return known is not None and known.name == ADMIN


async def first_policy(bus: Bus, file: Path | None, clock: Clock) -> str:
    """Put the first policy in force where there is none; returns the version in force.

    Raises StartupError for a file that is no policy, BusError.
    """
    return await ensure_first(bus, await asyncio.to_thread(_policy_in, file), clock)


async def demo_account(
    bus: Bus, accounts: Accounts, path: Path | None, say: Say = say_aloud
) -> None:
    """Make the demo account before the first policy is in force; later it is the admin's affair.

    Raises StartupError, BusError.
    """
    if path is None or await current(bus) is not None:
        return
    password = await asyncio.to_thread(_read, path)
    if not password:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        await asyncio.to_thread(write_secret, path, password)
        say(f"password of {DEMO_LOGIN}, also in {path}: {password}\n")
    await accounts.changed(DEMO_LOGIN, password, [DEMO_LOGIN], disabled=False)


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only its owner may read, whole or not at all; raises StartupError."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StartupError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path) -> str | None:
    """Return what a file says, None where there is none; raises StartupError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"cannot read {path}: {error}") from error


def _read_or_none(path: Path) -> str | None:
    try:
        return _read(path)
    except StartupError:
        return None


def _policy_in(file: Path | None) -> Policy:
    if file is None:
        return Policy()
    text = _read(file)
    if text is None:
        raise StartupError(f"there is no first policy at {file}")
    try:
        return loads(text)
    except InvalidPolicyError as error:
        problems = "; ".join(f"{p.path or '(document)'}: {p.message}" for p in error.problems)
        raise StartupError(f"{file} is no policy: {problems}") from error
