"""Entries of allow and block lists."""

from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mailweir_core.entries import MAX_NOTE, MAX_RECIPIENTS, SYSTEM, EntryKind
from mailweir_core.items import MAX_ITEM
from mailweir_gateway.models.base import Asked, Shape, Time
from mailweir_gateway.models.paging import PageQuery

MAX_OWNER: Final = 400


class ListEntryShape(Shape):
    """One entry."""

    id: str
    kind: str
    """allow or block."""
    item: str
    """An address, a network, a range, `host:<name>`, a sender or `@<domain>`, in normal form."""
    owner: str
    """Whose mail it is about: system, tenant:x, domain:example.com or user:user@example.com."""
    recipients: tuple[str, ...]
    """Only mail to these; none are all of the owner's."""
    expires_at: Time | None
    note: str
    by: str
    """The key that wrote it."""
    at: Time | None
    hits: int
    """How often it counted."""
    hit_at: Time | None
    """When it counted last."""


class ListPage(Shape):
    """Entries, the newest first."""

    items: tuple[ListEntryShape, ...]
    next: str
    """Cursor of the next page; empty on the last."""


class ListQuery(PageQuery):
    """Which entries."""

    kind: EntryKind | None = None
    owner: str = Field("", max_length=MAX_OWNER)


class EntryChange(Asked):
    """What an entry is to be."""

    kind: Annotated[EntryKind, Field(strict=False)]
    item: str = Field(min_length=1, max_length=MAX_ITEM, examples=["192.0.2.0/24", "@example.net"])
    owner: str = Field(SYSTEM, max_length=MAX_OWNER)
    recipients: list[str] = Field([], max_length=MAX_RECIPIENTS)
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = None
    note: str = Field("", max_length=MAX_NOTE)


class ImportQuery(BaseModel):
    """What holds for every line of an import."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: EntryKind
    owner: str = Field(SYSTEM, max_length=MAX_OWNER)
    expires_at: AwareDatetime | None = None
    note: str = Field("", max_length=MAX_NOTE)


class Imported(Shape):
    """What an import did."""

    added: int
    known: int
    """Lines that name an entry there was already; it is as the import says now."""
