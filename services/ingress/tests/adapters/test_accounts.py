"""Accounts: one contract for those on the bus and those in memory."""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mailweir_core.passwords import PasswordHash
from mailweir_ingress.adapters import accounts as module
from mailweir_ingress.adapters.accounts import BusAccounts, MemoryAccounts, read_account
from mailweir_ingress.ports import Account, Accounts, AccountsUnavailable
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import ACCOUNTS


def a_document(login: str = "Anna@example.com", **changes: Any) -> dict[str, Any]:
    """Return an account in its stored form, its password `secret`, cheap to check."""
    salt = b"8 octets"
    derived = hashlib.scrypt(b"secret", salt=salt, n=16, r=1, p=1, dklen=32)
    scrypt = PasswordHash(16, 1, 1, salt, derived).to_dict()
    return {
        "login": login,
        "scrypt": scrypt,
        "senders": ["Anna@example.com", "@shop.example"],
    } | changes


async def put(bus: MemoryBus, document: Any, login: str = "Anna@example.com") -> str:
    """Store an account; returns its key."""
    key = base64.b32encode(login.lower().encode()).decode().lower().rstrip("=")
    bucket = await bus.bucket(ACCOUNTS)
    await bucket.put(
        key, document if isinstance(document, bytes) else json.dumps(document).encode()
    )
    return key


@asynccontextmanager
async def following(bus: MemoryBus) -> AsyncIterator[BusAccounts]:
    """Yield accounts that follow a bus, once they have read it."""
    found = BusAccounts(bus)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(found.follow())
        await asyncio.sleep(0.01)
        yield found
        task.cancel()


async def eventually(accounts: Accounts, password: str, wanted: bool) -> None:
    """Wait until a login has the wanted end."""
    async with asyncio.timeout(5):
        while (await accounts.login("anna@example.com", password) is not None) is not wanted:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("memory", [True, False])
async def test_the_contract(memory: bool) -> None:
    bus = MemoryBus()
    await put(bus, a_document())
    senders = frozenset({"anna@example.com", "@shop.example"})
    async with following(bus) as on_bus:
        in_memory = MemoryAccounts({"Anna@example.com": ("secret", senders)})
        accounts: Accounts = in_memory if memory else on_bus
        for login in ("anna@example.com", "ANNA@Example.com"):
            assert await accounts.login(login, "secret") == Account("anna@example.com", senders)
        assert await accounts.login("anna@example.com", "Secret") is None
        assert await accounts.login("anna@example.com", "") is None
        assert await accounts.login("berta@example.com", "secret") is None


async def test_changes_are_followed() -> None:
    bus = MemoryBus()
    async with following(bus) as accounts:
        assert await accounts.login("anna@example.com", "secret") is None
        key = await put(bus, a_document())
        await eventually(accounts, "secret", True)
        await put(bus, a_document(disabled=True))
        await eventually(accounts, "secret", False)
        await put(bus, a_document(disabled=False))
        await eventually(accounts, "secret", True)
        await (await bus.bucket(ACCOUNTS)).delete(key)
        await eventually(accounts, "secret", False)


async def test_before_the_first_reading_nobody_is_refused() -> None:
    with pytest.raises(AccountsUnavailable):
        await BusAccounts(MemoryBus()).login("anna@example.com", "secret")
    in_memory = MemoryAccounts()
    in_memory.outage = True
    with pytest.raises(AccountsUnavailable):
        await in_memory.login("anna@example.com", "secret")


async def test_an_outage_at_the_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    bus = MemoryBus()
    await put(bus, a_document())
    bus.outage = BusUnavailable("away")
    async with following(bus) as accounts:
        with pytest.raises(AccountsUnavailable):
            await accounts.login("anna@example.com", "secret")
        bus.outage = None
        await asyncio.sleep(0.05)
        assert await accounts.login("anna@example.com", "secret") is not None


async def test_an_unreadable_account_stands_in_nobodys_way() -> None:
    bus = MemoryBus()
    await put(bus, b"{nonsense", "berta@example.com")
    await put(bus, a_document())
    async with following(bus) as accounts:
        assert await accounts.login("anna@example.com", "secret") is not None
        await put(bus, b"{nonsense")
        await eventually(accounts, "secret", False)


async def test_an_unknown_login_costs_a_check_too(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def note(password: str, _stored: PasswordHash) -> bool:
        checked.append(password)
        return True  # even a check that says yes makes nobody known

    monkeypatch.setattr(module, "verify", note)
    bus = MemoryBus()
    await put(bus, a_document(disabled=True))
    async with following(bus) as accounts:
        assert await accounts.login("nobody@example.com", "one") is None
        assert await accounts.login("anna@example.com", "two") is None
    assert checked == ["one", "two"]


async def test_logins_wait_for_their_turn_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(module, "verify", lambda *_: time.sleep(0.2))
    bus = MemoryBus()
    async with following(bus) as accounts:
        with pytest.raises(AccountsUnavailable):
            await accounts.login("anna@example.com", "secret")


@pytest.mark.parametrize(
    "document",
    [
        b"[]", b"null", b"\xff", a_document(login=""), a_document(login=7), a_document(senders="x"),
        a_document(senders=["x"] * 1001), a_document(scrypt=None), a_document(scrypt={"n": 3}),
    ],
)  # fmt: skip
def test_what_is_no_account_is_refused(document: Any) -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError will do, json's among them
        read_account(data)


def test_an_account_is_disabled_unless_it_says_no() -> None:
    assert not read_account(json.dumps(a_document()).encode()).disabled
    assert not read_account(json.dumps(a_document(disabled=False)).encode()).disabled
    for value in (True, 1, "false", None):
        assert read_account(json.dumps(a_document(disabled=value)).encode()).disabled
