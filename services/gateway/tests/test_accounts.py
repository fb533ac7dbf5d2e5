"""Accounts in the bucket: hashed off the loop, one at a time, and never lost for want of a password."""

import asyncio
import threading
import time

import pytest

from mailweir_core.passwords import PasswordHash, verify
from mailweir_gateway import accounts as module
from mailweir_gateway.accounts import Accounts
from mailweir_gateway.policy.accounts import Account, bucket_key
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import ACCOUNTS

HASH = PasswordHash(2**14, 8, 1, b"s" * 16, b"h" * 32)


async def test_accounts_are_listed_by_login() -> None:
    accounts = Accounts(MemoryBus())
    for login in ("carol", "anna", "bob"):
        await accounts.put(Account(login, HASH, ()))
    assert [account.login for account in await accounts.all()] == ["anna", "bob", "carol"]


async def test_a_login_is_one_whatever_its_case() -> None:
    accounts = Accounts(MemoryBus())
    await accounts.changed("Bob@Example.com", "correct horse", ["a@b"], disabled=False)
    found = await accounts.get("bOB@eXAMPLE.COM")
    assert found is not None
    assert found.login == "bob@example.com"
    assert await accounts.delete("BOB@example.com")
    assert await accounts.get("bob@example.com") is None
    assert not await accounts.delete("bob@example.com")


async def test_senders_are_kept_once_and_in_order() -> None:
    accounts = Accounts(MemoryBus())
    made = await accounts.changed("bob", "correct horse", ["b@x", "a@x", "b@x"], disabled=False)
    assert made is not None
    assert made.senders == ("b@x", "a@x")


async def test_without_a_password_only_who_has_one_is_changed() -> None:
    accounts = Accounts(MemoryBus())
    assert await accounts.changed("bob", None, [], disabled=False) is None
    assert await accounts.all() == []
    await accounts.changed("bob", "correct horse", [], disabled=False)
    changed = await accounts.changed("bob", None, ["a@x"], disabled=True)
    assert changed is not None
    assert verify("correct horse", changed.password)


async def test_hashing_leaves_the_loop_free_and_takes_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def slow(password: str) -> PasswordHash:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return HASH

    monkeypatch.setattr(module, "hash_password", slow)
    accounts, turns = Accounts(MemoryBus()), 0
    async with asyncio.TaskGroup() as tasks:
        work = [
            tasks.create_task(accounts.changed(f"u{n}", "correct horse", [], disabled=False))
            for n in range(5)
        ]
        while not all(task.done() for task in work):
            await asyncio.sleep(0.001)
            turns += 1
    assert most == 1
    assert turns > 10


async def test_what_cannot_be_read_is_nobody() -> None:
    bus = MemoryBus()
    bucket = await bus.bucket(ACCOUNTS)
    await bucket.put(bucket_key("bob"), b"damaged")
    accounts = Accounts(bus)
    assert await accounts.get("bob") is None
    assert await accounts.all() == []


async def test_without_the_bus_nothing_is_pretended() -> None:
    bus = MemoryBus()
    accounts = Accounts(bus)
    bus.outage = BusUnavailable("away")
    with pytest.raises(BusUnavailable):
        await accounts.all()
    with pytest.raises(BusUnavailable):
        await accounts.changed("bob", "correct horse", [], disabled=False)
    with pytest.raises(BusUnavailable):
        await accounts.delete("bob")
