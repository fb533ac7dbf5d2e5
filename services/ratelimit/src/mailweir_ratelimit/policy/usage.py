"""How far outbound limits are used, and what inbound buckets hold, as people ask for it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mailweir_core.net import Address, client_network, parse_ip, parse_network
from mailweir_policy.ratelimit import RateLimit, Selector, Unit
from mailweir_ratelimit.policy.allowance import KEYS, Allowance, Allowances, Kind
from mailweir_ratelimit.policy.quota import UNITS, Quota, day_ends, limit_of, on_day
from mailweir_ratelimit.policy.selectors import decoded, domain_of, key_of


@dataclass(frozen=True, slots=True)
class Usage:
    """One unit of one limit. `limit` 0 is unlimited; `next_at`: seconds since the epoch, 0 for now."""

    allowance: Allowance
    unit: Unit
    used: int
    held: int
    next_at: float

    @property
    def limit(self) -> int:
        """Return how much is allowed."""
        return limit_of(self.allowance.limit, self.unit)

    @property
    def place(self) -> str:
        """Return where it stands in a list: by subject, kind and unit."""
        return f"{self.allowance.subject}\t{self.allowance.kind}\t{UNITS.index(self.unit)}"


def usage_of(
    allowance: Allowance, quota: Quota, held: int, day: str, zone: str
) -> tuple[Usage, ...]:
    """Return what a user or domain has used on a day: each unit that is limited, and messages always."""
    today = on_day(quota, day)
    found = []
    for unit in UNITS:
        limit, used = limit_of(allowance.limit, unit), today.used.of(unit)
        if unit is Unit.MESSAGES or limit:
            full = 0 < limit <= used
            next_at = day_ends(today.day, zone) if full else 0.0
            found.append(Usage(allowance, unit, used, held, next_at))
    return tuple(found)


def subject_of_key(key: str) -> tuple[Kind, str] | None:
    """Return whose quota a key is of; None for another key, or one that has a digest alone."""
    for kind, prefix in KEYS.items():
        if key.startswith(prefix):
            subject = decoded(key.removeprefix(prefix))
            return (kind, subject) if subject else None
    return None


def allowance_of(kind: Kind, subject: str, allowances: Allowances) -> Allowance:
    """Return the limit of a user or domain."""
    return allowances.user(subject) if kind is Kind.USER else allowances.domain(subject)


def held_by_subject(by_login: Mapping[str, int]) -> Counter[tuple[Kind, str]]:
    """Return how many messages wait, by user and by domain, of a count by login."""
    found: Counter[tuple[Kind, str]] = Counter()
    for login, count in by_login.items():
        found[Kind.USER, login] += count
        domain = domain_of(login)
        if domain:
            found[Kind.DOMAIN, domain] += count
    return found


def bucket_keys(subject: str, limits: Iterable[RateLimit]) -> Sequence[tuple[RateLimit, str, str]]:
    """Return the buckets that a subject counts in alone, as limit, value and key.

    `subject` is an address, a network, `as<number>`, a name, a domain or `local@domain`. Limits by several
    things at once have a bucket for each pair; they are not looked for.
    """
    found = []
    for limit in limits:
        value = _value(limit.by[0], subject) if len(limit.by) == 1 else ""
        if value:
            found.append((limit, value, key_of(limit, (value,))))
    return found


def _value(selector: Selector, subject: str) -> str:
    text = subject.strip().casefold()
    address = parse_ip(text)
    match selector:
        case Selector.IP:
            return str(address or "")
        case Selector.NET:
            return _network(text, address)
        case Selector.ASN:
            return text if text.startswith("as") and text[2:].isdigit() else ""
        case Selector.HELO:
            return text if address is None and "@" not in text else ""
        case Selector.FROM | Selector.TO | Selector.USER:
            return text if "@" in text else ""
        case Selector.FROM_DOMAIN | Selector.TO_DOMAIN | Selector.USER_DOMAIN:
            return domain_of(text) or ("" if address is not None or "/" in text else text)


def _network(text: str, address: Address | None) -> str:
    if address is not None:
        return str(client_network(address))
    try:
        network = parse_network(text)
    except ValueError:
        return ""
    return str(client_network(network.network_address))
