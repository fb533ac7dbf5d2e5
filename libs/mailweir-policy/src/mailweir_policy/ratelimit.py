"""Too much: rate limits, intrusion prevention, and limits of what our own users send."""

from enum import StrEnum
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from mailweir_core.bans import OffenceKind
from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Cidr, Domain, MailAddress

DAY: Final = 86_400.0
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


def _zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is not a time zone") from error


class Selector(StrEnum):
    """What a limit counts by."""

    IP = "ip"
    NET = "net"  # IPv4 /24, IPv6 /64
    ASN = "asn"
    HELO = "helo"
    FROM = "from"
    FROM_DOMAIN = "from-domain"
    TO = "to"
    TO_DOMAIN = "to-domain"
    USER = "user"
    USER_DOMAIN = "user-domain"


class Unit(StrEnum):
    """What a limit counts."""

    CONNECTIONS = "connections"
    RECIPIENTS = "recipients"
    MESSAGES = "messages"
    BYTES = "bytes"


class RateLimit(PolicyModel):
    """At most `count` in `seconds`, evenly spread but for `burst` at once (GCRA)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")
    unit: Unit
    by: tuple[Selector, ...] = Field(min_length=1, max_length=4)
    count: int = Field(ge=1, le=1_000_000_000)
    seconds: Annotated[float, Field(gt=0, le=2_592_000)]
    burst: Count = 0
    """At once; 0 for `count`."""
    scaled: bool = True
    """Whether the client's class scales it."""
    enabled: bool = True


class OffenceRule(PolicyModel):
    """When offences of one kind lead to a ban."""

    enabled: bool = True
    count: int = Field(1, ge=1, le=1_000_000)
    """So many within `seconds` over all sessions and processes."""
    seconds: Annotated[float, Field(gt=0, le=2_592_000)] = DAY
    measure: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    """Least score, or bytes, of one that counts, for kinds that have a measure."""


class OffenceRules(PolicyModel):
    """By kind of offence."""

    connections: OffenceRule = OffenceRule(count=240, seconds=60.0)
    """Connections."""
    login: OffenceRule = OffenceRule(count=10, seconds=600.0)
    """Failed logins."""
    unknown_user: OffenceRule = OffenceRule(count=5, seconds=3600.0)
    """Recipients that do not exist."""
    relay: OffenceRule = OffenceRule(count=5, seconds=3600.0)
    """Recipients that are not ours."""
    reset: OffenceRule = OffenceRule(count=20, seconds=600.0)
    """RSET and NOOP beyond what a session may have."""
    score: OffenceRule = OffenceRule(count=1, measure=20.0)
    """Messages of at least this score."""
    listed: OffenceRule = OffenceRule(enabled=False)
    """Refusals by DNS lists."""
    size: OffenceRule = OffenceRule(count=1, measure=104_857_600.0)
    """Messages that went on for so many bytes."""
    trap: OffenceRule = OffenceRule(count=1)
    """Mail to one of `traps`."""
    content: OffenceRule = OffenceRule(count=1)
    """Malware."""

    def of(self, kind: OffenceKind) -> OffenceRule | None:
        """Return the rule of a kind; bans by hand have none."""
        found: OffenceRule | None = getattr(self, kind.value.replace("-", "_"), None)
        return found


class LoginPause(PolicyModel):
    """Failed logins with one name from one client pause that name from there, not from everywhere."""

    enabled: bool = True
    count: int = Field(5, ge=1, le=1_000_000)
    """So many within `seconds`."""
    seconds: Annotated[float, Field(gt=0, le=2_592_000)] = 600.0
    pause_seconds: Annotated[float, Field(gt=0, le=2_592_000)] = 600.0
    """For how long the name is not let in from there, whatever the password; nor does it count as failed."""


class IntrusionPolicy(PolicyModel):
    """Who offends is banned for a while."""

    enabled: bool = True
    """Off: nobody is banned but by hand."""
    rules: OffenceRules = OffenceRules()
    login_pause: LoginPause = LoginPause()
    ban_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 14_400.0
    ban_longest_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 86_400.0
    """Each ban in a row lasts twice as long, up to this."""
    strike_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 604_800.0
    """A ban is in a row with the one before if it comes within this time after its end."""
    close: bool = True
    """End the session of the offence at once."""
    close_all: bool = True
    """End every session of the banned network."""
    widen_after: int = Field(4, ge=0, le=1000)
    """An IPv4 /24 with so many banned addresses is banned whole, an IPv6 /56 with so many banned /64, a /48
    with bans in so many /56; 0 never widens.
    """
    never: tuple[Cidr, ...] = ("127.0.0.0/8", "::1/128")
    """Networks that are never banned, beside proxies, trusted networks and allow lists: probes, the cluster.

    Where there are proxies, private addresses are not banned either: behind a proxy that forgets its header
    everybody has the address of a machine of ours.
    """
    traps: tuple[MailAddress, ...] = Field((), max_length=10_000)
    """Recipients that nobody writes to but who harvests addresses."""


class OutboundLimit(PolicyModel):
    """What may be sent in a day; 0 is unlimited."""

    messages: Count = 0
    recipients: Count = 0
    bytes: Annotated[int, Field(ge=0, le=1 << 50)] = 0


class DomainLimit(PolicyModel):
    """The limits of one of our domains: of all its users together, and of each by default."""

    domain: Domain
    total: OutboundLimit = OutboundLimit()
    users: OutboundLimit | None = None
    """Default for each user; none takes `default_user`."""


class UserLimit(PolicyModel):
    """The limits of one user, all units in place of its default; never beats the domain's."""

    login: MailAddress
    limit: OutboundLimit


class OutboundPolicy(PolicyModel):
    """What our own users may send in a calendar day. Over it, mail is held, not bounced."""

    user_limits: bool = True
    domain_limits: bool = True
    overrides: bool = True
    """Whether limits of single users hold."""
    default_user: OutboundLimit = OutboundLimit(messages=200)
    domains: tuple[DomainLimit, ...] = Field((), max_length=100_000)
    users: tuple[UserLimit, ...] = Field((), max_length=1_000_000)
    timezone: Annotated[str, AfterValidator(_zone), Field(examples=["Europe/Prague"])] = "UTC"
    """Where a day begins at midnight: a name of the time zone database."""
    warn_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of a limit at which user and postmaster are told."""
    reject_score: Annotated[float, Field(ge=1, le=100)] = 15.0
    """A message of a logged-in user with this score is refused."""
    block_account: bool = True
    """Whether the account that sent it is blocked."""
    block_seconds: Annotated[float, Field(ge=0, le=31_536_000)] = 0.0
    """For how long; 0 until an admin lifts it."""

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for what, names in (
            ("domain", [one.domain for one in self.domains]),
            ("user", [one.login for one in self.users]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"a {what} is named twice")
        return self


class RatelimitPolicy(PolicyModel):
    """The service `ratelimit`."""

    limits: tuple[RateLimit, ...] = Field(
        (
            RateLimit(
                name="connections", unit=Unit.CONNECTIONS, by=(Selector.IP,), count=60, seconds=60
            ),
            RateLimit(
                name="recipients", unit=Unit.RECIPIENTS, by=(Selector.NET,), count=50, seconds=300
            ),
        ),
        max_length=64,
    )
    good_factor: Annotated[float, Field(gt=0, le=1000)] = 10.0
    bad_factor: Annotated[float, Field(gt=0, le=1)] = 0.2
    correct: bool = True
    """Whether ham raises and spam lowers what a client may do."""
    exempt_senders: tuple[MailAddress, ...] = ()
    """Senders whose mail counts in no inbound limit, beside the null sender and postmasters."""
    exempt_networks: tuple[Cidr, ...] = ("127.0.0.0/8", "::1/128")
    """Clients that inbound limits do not hold for, beside proxies and trusted networks."""
    intrusion: IntrusionPolicy = IntrusionPolicy()
    outbound: OutboundPolicy = OutboundPolicy()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [limit.name for limit in self.limits]
        if len(set(names)) != len(names):
            raise ValueError("a limit is named twice")
        return self
