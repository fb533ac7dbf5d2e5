"""Services, the policy's versions, users, the gateway itself."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mailweir_gateway.models.base import Asked, Shape, Time
from mailweir_gateway.policy.accounts import (
    MAX_PASSWORD,
    MAX_SENDER,
    MAX_SENDERS,
    MIN_PASSWORD,
    is_sender,
)


def _sender(text: str) -> str:
    if not is_sender(text):
        raise ValueError("write local@domain, or @domain for a whole domain")
    return text.lower()


class ServiceShape(Shape):
    """One process of a service; one entry in the state `down` where a service is silent."""

    name: str
    pid: int | None
    pod: str | None
    """Name of the process among its like: the pod's, or `<host>-<pid>`."""
    state: str
    """starting, ready, degraded, draining or down."""
    version: str
    config: str
    rules: str
    model: str
    metrics_url: str
    started_at: Time | None
    seen_at: Time | None
    detail: str


class VersionItem(Shape):
    """A version of the policy."""

    version: str
    number: int
    created_at: Time
    author: str
    reason: str
    in_force: bool


class VersionPage(Shape):
    """Versions, newest first."""

    items: tuple[VersionItem, ...]
    next: str
    """Cursor of the next page; empty on the last."""


class VersionDocument(VersionItem):
    """A version with its policy."""

    policy: dict[str, Any]


class VersionQuery(BaseModel):
    """A page of versions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    limit: int = Field(20, ge=1, le=100)
    cursor: str = Field("", pattern=r"^([1-9][0-9]{0,8})?$")
    """`next` of the page before."""


class Applied(Shape):
    """A version that was put in force."""

    version: str


class Checked(Shape):
    """A policy that could be put in force."""

    valid: bool


class UserShape(Shape):
    """A submission account."""

    login: str
    senders: tuple[str, ...]
    disabled: bool


class Users(Shape):
    """All submission accounts, by login."""

    items: tuple[UserShape, ...]


class UserChange(Asked):
    """What an account is to be. Without a password an existing account keeps its own."""

    password: str | None = Field(None, min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)
    senders: list[Annotated[str, Field(max_length=MAX_SENDER), AfterValidator(_sender)]] = Field(
        max_length=MAX_SENDERS
    )
    """Addresses the account may send from; `@domain` for a whole domain."""
    disabled: bool = False


class Health(Shape):
    """Whether the gateway serves."""

    state: str


class ProductVersion(Shape):
    """What answers."""

    product: str
    version: str
    api: str
