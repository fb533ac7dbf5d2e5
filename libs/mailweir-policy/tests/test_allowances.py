"""Which outbound limit holds, and what it says of where it comes from."""

from mailweir_policy.allowances import UNLIMITED, Granted, Grants
from mailweir_policy.ratelimit import DomainLimit, OutboundLimit, OutboundPolicy, UserLimit

TEN, TWENTY, THIRTY = (OutboundLimit(messages=n) for n in (10, 20, 30))
POLICY = OutboundPolicy(
    domains=(
        DomainLimit(domain="example.com", total=THIRTY, users=TWENTY),
        DomainLimit(domain="example.org", total=THIRTY),
    ),
    users=(UserLimit(login="anna@example.com", limit=TEN),),
)


def grants(**changes: object) -> Grants:
    return Grants(POLICY.model_copy(update=changes))


def test_a_users_own_limit_comes_first() -> None:
    source = "ratelimit.outbound.users[anna@example.com].limit"
    assert grants().user("Anna@Example.com") == Granted(TEN, source)


def test_then_what_its_domain_says_for_each_user() -> None:
    source = "ratelimit.outbound.domains[example.com].users"
    assert grants().user("bob@example.com") == Granted(TWENTY, source)


def test_then_what_holds_for_everybody() -> None:
    everybody = Granted(OutboundLimit(messages=200), "ratelimit.outbound.default_user")
    for login in ("bob@example.org", "bob@example.net", "bob"):
        assert grants().user(login) == everybody


def test_limits_of_single_users_can_be_off() -> None:
    source = "ratelimit.outbound.domains[example.com].users"
    assert grants(overrides=False).user("anna@example.com") == Granted(TWENTY, source)


def test_limits_of_users_can_be_off() -> None:
    off = Granted(UNLIMITED, "ratelimit.outbound.user_limits")
    assert grants(user_limits=False).user("anna@example.com") == off


def test_a_domains_limit() -> None:
    source = "ratelimit.outbound.domains[example.org].total"
    assert grants().domain("example.org") == Granted(THIRTY, source)
    assert grants().domain("example.net") == Granted(UNLIMITED, "ratelimit.outbound.domains")
    off = Granted(UNLIMITED, "ratelimit.outbound.domain_limits")
    assert grants(domain_limits=False).domain("example.org") == off
