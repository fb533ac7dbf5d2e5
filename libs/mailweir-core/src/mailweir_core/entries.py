"""Entries of allow and block lists as they are kept in the bucket `lists`, the key being their id.

The gateway writes them and every reputation service keeps an index of them, so their stored form is here.
"""

import hashlib
import json
import math
import re
from base64 import b32encode
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.items import Item, ItemKind, address_key, domain_name, parse_item

SYSTEM: Final = "system"
MAX_ID: Final = 64
MAX_NOTE: Final = 500
MAX_BY: Final = 200
MAX_TENANT: Final = 100
MAX_RECIPIENTS: Final = 100

_ID: Final = re.compile(rf"[A-Za-z0-9_=-]{{1,{MAX_ID}}}")
_TENANT: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_TENANT}}}")


class EntryKind(StrEnum):
    """What an entry is for."""

    ALLOW = "allow"
    BLOCK = "block"


class OwnerKind(StrEnum):
    """Whose mail an entry is about, from all to one."""

    SYSTEM = "system"
    TENANT = "tenant"
    DOMAIN = "domain"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose mail: `name` is empty for the system, a tenant, a domain in A-labels or an address."""

    kind: OwnerKind
    name: str = ""

    def __str__(self) -> str:
        """Return the stored form."""
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)

    def covers(self, recipient: str, tenant: str) -> bool:
        """Say whether mail to `recipient` (by `address_key`) of `tenant` is the owner's to judge."""
        if self.kind is OwnerKind.SYSTEM:
            return True
        if self.kind is OwnerKind.TENANT:
            return self.name == tenant
        return self.name == (recipient if self.kind is OwnerKind.USER else _domain_of(recipient))


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry, in normal form; make it with `make_entry` or `load_entry`.

    `item` is as `mailweir_core.items` says. `owner` is `system`, `tenant:x`, `domain:d` or `user:address`.
    `recipients` narrows it to these (`user@example.com`, `@example.com`); empty is all of the owner's.
    Times are seconds since the epoch; `expires` 0 is never.
    """

    id: str
    kind: EntryKind
    item: str
    owner: str = SYSTEM
    recipients: tuple[str, ...] = ()
    expires: float = 0.0
    note: str = ""
    by: str = ""
    at: float = 0.0

    def holds(self, now: float) -> bool:
        """Say whether it has not expired."""
        return not self.expires or now < self.expires


def make_entry(  # noqa: PLR0913 - one argument per field that people fill in
    kind: str, item: str, *, owner: str = SYSTEM, recipients: tuple[str, ...] = (), expires: float = 0.0,
    note: str = "", by: str = "", at: float = 0.0, id: str = "",
) -> ListEntry:  # fmt: skip
    """Return an entry in normal form; raises ValueError with one sentence for people.

    Without an `id` it gets one by what it says (`entry_id`): said twice, it is one entry.
    """
    if kind not in tuple(EntryKind):
        raise ValueError("kind is allow or block")
    holder, text = parse_owner(owner), parse_item(item).text
    scope = _scope(recipients, holder)
    return ListEntry(
        id=_checked_id(id) if id else entry_id(kind, text, str(holder), scope),
        kind=EntryKind(kind),
        item=text,
        owner=str(holder),
        recipients=scope,
        expires=_time(expires, "expires"),
        note=_text(note, "note", MAX_NOTE),
        by=_text(by, "by", MAX_BY),
        at=_time(at, "at"),
    )


def entry_id(kind: str, item: str, owner: str, recipients: tuple[str, ...]) -> str:
    """Return the id of an entry that says this, all in normal form."""
    said = json.dumps([kind, item, owner, *sorted(recipients)]).encode()
    return b32encode(hashlib.sha256(said).digest()[:15]).decode().lower()


def parse_owner(text: str) -> Owner:
    """Return an owner in normal form; raises ValueError with a sentence."""
    kind, colon, name = text.strip().partition(":")
    name = name.strip()
    if kind == OwnerKind.SYSTEM and not colon:
        return Owner(OwnerKind.SYSTEM)
    if kind == OwnerKind.TENANT and _TENANT.fullmatch(name):
        return Owner(OwnerKind.TENANT, name)
    if kind == OwnerKind.DOMAIN:
        return Owner(OwnerKind.DOMAIN, domain_name(name))
    if kind == OwnerKind.USER and (item := _address(name)):
        return Owner(OwnerKind.USER, item)
    raise ValueError("owner is system, tenant:x, domain:example.com or user:user@example.com")


def dump_entry(entry: ListEntry) -> bytes:
    """Return the stored form."""
    return json.dumps(asdict(entry), separators=(",", ":")).encode()


def load_entry(data: bytes) -> ListEntry:
    """Return the entry in its stored form; raises ValueError for anything else."""
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    recipients = document.get("recipients", [])
    if not isinstance(recipients, list):
        raise ValueError("recipients must be a list")
    return make_entry(
        _string(document, "kind"), _string(document, "item"),
        owner=_string(document, "owner") or SYSTEM, recipients=tuple(map(str, recipients)),
        expires=document.get("expires", 0.0), note=_string(document, "note"),
        by=_string(document, "by"), at=document.get("at", 0.0), id=_string(document, "id"),
    )  # fmt: skip


def parse_recipient(text: str) -> Item:
    """Return a recipient or a domain of recipients that narrows an entry; raises ValueError."""
    text = text.strip()
    return parse_item(text if "@" in text else f"@{text}")


def _scope(recipients: tuple[str, ...], owner: Owner) -> tuple[str, ...]:
    if len(recipients) > MAX_RECIPIENTS:
        raise ValueError(f"an entry has at most {MAX_RECIPIENTS} recipients")
    items = [parse_recipient(text) for text in recipients]
    for item in items:
        if not _within(item, owner):
            raise ValueError(f"{item.text} is not for {owner} to judge")
    return tuple(dict.fromkeys(item.text for item in items))


def _within(item: Item, owner: Owner) -> bool:
    """Say whether an owner may name those recipients; of a tenant the domains are not known here."""
    if owner.kind is OwnerKind.USER:
        return item.text == owner.name
    if owner.kind is OwnerKind.DOMAIN:
        return not item.below and _domain_of(item.text) == owner.name
    return True


def _address(text: str) -> str:
    item = parse_item(text)
    return item.text if item.kind is ItemKind.ADDRESS else ""


def _domain_of(address: str) -> str:
    return address_key(address).rpartition("@")[2]


def _checked_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(f"an id has 1 to {MAX_ID} letters, digits, -, _ or =")
    return text


def _string(document: dict[str, object], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    return value


def _text(value: str, name: str, most: int) -> str:
    if len(value) > most:
        raise ValueError(f"{name} is longer than {most} characters")
    return value


def _time(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a time in seconds since the epoch")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a time in seconds since the epoch")
    return float(value)
