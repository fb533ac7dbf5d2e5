"""Where accepted mail goes, how often it is tried, and who is told when it cannot go."""

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Domain, Seconds

_SCHEMES: Final = frozenset({"smtp", "lmtp", "maildir"})
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]+")


def _next_hop(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in _SCHEMES:
        raise ValueError(f"{value!r}: the scheme must be smtp, lmtp or maildir")
    if url.scheme == "maildir":
        if url.netloc or not url.path.startswith("/"):
            raise ValueError(f"{value!r}: write maildir:///absolute/path")
        return value
    if not url.hostname or not _HOST.fullmatch(url.hostname) or url.path not in ("", "/"):
        raise ValueError(f"{value!r}: write {url.scheme}://host:port")
    try:
        _ = url.port
    except ValueError as error:
        raise ValueError(f"{value!r}: the port is not a number from 1 to 65535") from error
    return value


NextHopUrl = Annotated[
    str,
    AfterValidator(_next_hop),
    Field(examples=["smtp://mail.example.com:25", "lmtp://127.0.0.1:24", "maildir:///var/mail/in"]),
]
"""`smtp://host[:port]`, `lmtp://host[:port]` or `maildir:///absolute/path`."""


class Route(PolicyModel):
    """Next hops of a recipient domain."""

    domain: Domain | Literal["*"]
    """A local domain, or `*` for every local domain that has no route of its own."""
    next_hops: tuple[NextHopUrl, ...] = Field(min_length=1)
    """Tried in this order."""
    tls: Literal["none", "opportunistic", "required"] = "opportunistic"
    """`opportunistic` encrypts where it is offered; `required` also verifies the certificate."""


class RetryPolicy(PolicyModel):
    """When a deferred message is tried again."""

    schedule_seconds: tuple[Seconds, ...] = Field(
        default=(60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0), min_length=1, max_length=50
    )
    """Waits between attempts; the last one repeats."""
    expire_seconds: Seconds = 432_000.0
    """Age at which what is left bounces (5 days, RFC 5321 §4.5.4.1)."""
    null_sender_expire_seconds: Seconds = 86_400.0
    """The same for mail without a return path, which is dropped then."""


class DeliveryPolicy(PolicyModel):
    """Delivery to next hops."""

    routes: tuple[Route, ...] = ()
    """Next hops by recipient domain."""
    outbound: Literal["mx", "smarthost"] = "mx"
    """How mail to other domains (relayed for our users) goes."""
    smarthost: NextHopUrl | None = None
    """The next hop of `smarthost`."""
    outbound_tls: Literal["none", "opportunistic", "required"] = "opportunistic"
    outbound_port: int = Field(25, ge=1, le=65_535)
    """Port of MX hosts."""
    connections_per_destination: int = Field(10, ge=1, le=1000)
    """Connections to one next hop at once, per delivery process."""
    messages_per_connection: int = Field(100, ge=1, le=10_000)
    recipients_per_transaction: int = Field(100, ge=1, le=1000)
    """Recipients of one message in one transaction; more get further ones (RFC 5321 §4.5.3.1.8)."""
    hosts_per_attempt: int = Field(5, ge=1, le=50)
    """Addresses of next hops or MX hosts that one attempt tries."""
    connection_idle_seconds: Seconds = 5.0
    """A connection without work is closed after this."""
    connect_seconds: Seconds = 30.0
    command_seconds: Seconds = 300.0
    data_end_seconds: Seconds = 600.0
    """Wait for the reply to the end of data (RFC 5321 §4.5.3.2.6: 10 minutes)."""
    late_reply_seconds: Seconds = 3600.0
    """A next hop that did not answer the end of data in time is listened to for so long before the message
    is sent again: what it took must not come twice."""
    retry: RetryPolicy = RetryPolicy()
    bounce: bool = True
    """Tell the sender when his mail could not be delivered (RFC 3464); never the null sender."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.outbound == "smarthost" and self.smarthost is None:
            raise ValueError("outbound is 'smarthost' but smarthost is not set")
        seen: set[str] = set()
        for route in self.routes:
            if route.domain in seen:
                raise ValueError(f"the domain {route.domain!r} has two routes")
            seen.add(route.domain)
        return self

    def route(self, domain: str) -> Route | None:
        """Return the route of a recipient domain: its own, else `*`, else None."""
        by_domain = {r.domain: r for r in self.routes}
        return by_domain.get(domain) or by_domain.get("*")
