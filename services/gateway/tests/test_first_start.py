"""The first start: key, demo account, policy; cut short anywhere and done again."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mailweir_core.clock import ManualClock
from mailweir_core.passwords import verify
from mailweir_gateway.accounts import Accounts
from mailweir_gateway.adapters.keys_memory import MemoryKeys
from mailweir_gateway.adapters.sql import SqlKeys
from mailweir_gateway.first_start import (
    DEMO_LOGIN,
    admin_key,
    demo_account,
    first_policy,
    follow_admin_key,
    write_secret,
)
from mailweir_gateway.policy.keys import digest, is_key, new_key
from mailweir_gateway.ports import StoredKey
from mailweir_policy import Policy, ScoringPolicy, Thresholds, dumps
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.config import current
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.sql import Database, SqlRefused, SqlUnavailable

OTHER = new_key(lambda _: "o" * 43)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def make_key(keys: MemoryKeys, path: Path) -> list[str]:
    said: list[str] = []
    await admin_key(keys, path, ManualClock(), said.append)
    return said


@asynccontextmanager
async def following(keys: MemoryKeys, path: Path) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow_admin_key(keys, path, ManualClock()))
        yield
        task.cancel()


# --- the key ---------------------------------------------------------------------------------------------


async def test_a_key_is_made_written_said_and_only_hashed(tmp_path: Path) -> None:
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    said = await make_key(keys, path)
    key = path.read_text().strip()
    assert is_key(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(said) == 1
    assert key in said[0]
    stored = await keys.by_name("admin")
    assert stored is not None
    assert stored.digest == digest(key)
    assert key not in repr(stored)
    assert list(tmp_path.iterdir()) == [path]


async def test_it_is_made_once(tmp_path: Path) -> None:
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    await make_key(keys, path)
    first = path.read_text()
    assert await make_key(keys, path) == []
    assert path.read_text() == first


async def test_a_file_that_was_taken_away_is_not_made_again(tmp_path: Path) -> None:
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    await make_key(keys, path)
    path.unlink()
    assert await make_key(keys, path) == []
    assert not path.exists()


async def test_a_key_that_lies_there_is_taken(tmp_path: Path) -> None:
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    path.write_text(OTHER)
    assert await make_key(keys, path) == []
    assert await keys.by_digest(digest(OTHER)) is not None


async def test_a_changed_file_changes_the_key(tmp_path: Path) -> None:
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    await make_key(keys, path)
    old = path.read_text().strip()
    path.write_text(OTHER)
    await make_key(keys, path)
    assert await keys.by_digest(digest(old)) is None
    assert await keys.by_digest(digest(OTHER)) is not None


async def test_dying_between_file_and_table(tmp_path: Path) -> None:
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    keys_that_die: Any = MemoryKeys()

    async def die(key: StoredKey) -> None:
        raise SqlUnavailable("the process is gone")

    keys_that_die.put = die
    with pytest.raises(SqlUnavailable):
        await make_key(keys_that_die, path)
    assert await make_key(keys, path) == []
    assert await keys.by_digest(digest(path.read_text().strip())) is not None


@pytest.mark.parametrize("content", [b"", b"nonsense", b"mw_short", b"\xff\xfe"])
async def test_a_file_that_holds_no_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "admin.key"
    path.write_bytes(content)
    with pytest.raises(StartupError, match=str(path)):
        await make_key(MemoryKeys(), path)


async def test_two_replicas_that_start_at_once_agree(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "admin.key"
    path.write_text(OTHER)
    keys = SqlKeys(database)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(admin_key(keys, path, ManualClock(), lambda _: None))
    assert await keys.by_digest(digest(OTHER)) is not None


async def test_a_key_that_another_name_has_is_not_the_admins(tmp_path: Path) -> None:
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    await keys.put(StoredKey("other", digest(OTHER), 1.0))
    path.write_text(OTHER)
    with pytest.raises(SqlRefused):
        await make_key(keys, path)


async def test_a_secret_that_is_changed_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_gateway.first_start.FOLLOW_SECONDS", 0.01)
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    await make_key(keys, path)
    old = digest(path.read_text().strip())
    async with following(keys, path):
        for text in ("nonsense", OTHER):
            path.write_text(text)
            await asyncio.sleep(0.05)
            assert (await keys.by_digest(old) is None) == (text == OTHER)
        path.unlink()  # gone for a moment, as when a mounted secret is swapped
        await asyncio.sleep(0.05)
        assert await keys.by_digest(digest(OTHER)) is not None


async def test_a_changed_secret_waits_for_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_gateway.first_start.FOLLOW_SECONDS", 0.01)
    keys, path = MemoryKeys(), tmp_path / "admin.key"
    await make_key(keys, path)
    keys.outage = SqlUnavailable("away")
    async with following(keys, path):
        await asyncio.sleep(0.03)
        path.write_text(OTHER)
        await asyncio.sleep(0.05)
        keys.outage = None
        await asyncio.sleep(0.05)
        assert await keys.by_digest(digest(OTHER)) is not None


async def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot write"):
        await make_key(MemoryKeys(), tmp_path / "nowhere" / "admin.key")


def test_a_secret_replaces_whole_and_whatever_lay_beside(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    (tmp_path / ".secret.new").write_text("left by a crash")
    path.write_text("old")
    path.chmod(0o644)
    write_secret(path, "new")
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_does_not_follow_a_link_laid_beside(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / ".secret.new").symlink_to(victim)
    write_secret(tmp_path / "secret", "new")
    assert victim.read_text() == "untouched"


# --- the demo account ------------------------------------------------------------------------------------


async def make_demo(bus: MemoryBus, path: Path | None) -> list[str]:
    said: list[str] = []
    await demo_account(bus, Accounts(bus), path, said.append)
    return said


async def test_the_demo_account_can_log_in(tmp_path: Path) -> None:
    bus, path = MemoryBus(), tmp_path / "demo.password"
    said = await make_demo(bus, path)
    password = path.read_text().strip()
    assert len(password) >= 16
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert password in said[0]
    account = await Accounts(bus).get(DEMO_LOGIN)
    assert account is not None
    assert verify(password, account.password)
    assert account.senders == (DEMO_LOGIN,)


async def test_no_file_no_account() -> None:
    bus = MemoryBus()
    await make_demo(bus, None)
    assert await Accounts(bus).all() == []


async def test_dying_before_the_account_is_in_keeps_the_password(tmp_path: Path) -> None:
    bus, path = MemoryBus(), tmp_path / "demo.password"
    await make_demo(bus, path)
    first = path.read_text()
    await Accounts(bus).delete(DEMO_LOGIN)
    assert await make_demo(bus, path) == []
    assert path.read_text() == first
    account = await Accounts(bus).get(DEMO_LOGIN)
    assert account is not None
    assert verify(first.strip(), account.password)


async def test_an_account_that_the_admin_removed_stays_away(
    tmp_path: Path, clock: ManualClock
) -> None:
    bus, path = MemoryBus(clock), tmp_path / "demo.password"
    await make_demo(bus, path)
    await first_policy(bus, None, clock)
    await Accounts(bus).delete(DEMO_LOGIN)
    await make_demo(bus, path)
    assert await Accounts(bus).get(DEMO_LOGIN) is None


# --- the policy ------------------------------------------------------------------------------------------


async def test_the_first_policy_is_the_files(tmp_path: Path, clock: ManualClock) -> None:
    bus, path = MemoryBus(clock), tmp_path / "policy.json"
    mine = Policy(scoring=ScoringPolicy(thresholds=Thresholds(tag=5.0)))
    path.write_bytes(dumps(mine))
    assert await first_policy(bus, path, clock) == "v.1"
    version = await current(bus)
    assert version is not None
    assert version.policy == mine


async def test_a_later_start_changes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    bus, path = MemoryBus(clock), tmp_path / "policy.json"
    await first_policy(bus, None, clock)
    path.write_bytes(dumps(Policy(scoring=ScoringPolicy(thresholds=Thresholds(tag=5.0)))))
    assert await first_policy(bus, path, clock) == "v.1"
    version = await current(bus)
    assert version is not None
    assert version.policy == Policy()


async def test_a_first_policy_that_is_none_is_one_line(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"session": {"moon": 1}, "format": 2}')
    with pytest.raises(StartupError, match=r"session\.moon: unknown key") as failure:
        await first_policy(MemoryBus(clock), path, clock)
    assert "\n" not in str(failure.value)
    assert "format" in str(failure.value)


async def test_a_first_policy_that_is_missing(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(StartupError, match="no first policy"):
        await first_policy(MemoryBus(clock), tmp_path / "nowhere.json", clock)
