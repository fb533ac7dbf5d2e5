"""Which list is asked about what, within the cap."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from mailweir_core.net import is_public, parse_ip
from mailweir_mail.listed import digest_of, domain_of, reversed_address
from mailweir_policy.lists import ListCheck, ListKind
from mailweir_policy.reputation import EdgeZone
from mailweir_reputation.policy.items import Item, Phase


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to ask about: as the DNS has it, and as people read it."""

    check: ListCheck
    kind: ListKind
    name: str
    shown: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question to one list."""

    zone: EdgeZone
    subject: Subject


def subjects_of(item: Item) -> Iterator[Subject]:
    """Yield what an item's phase gives to ask about; what is not of the public net is nobody's business."""
    session = item.session
    if item.phase is Phase.CONNECT:
        address = parse_ip(session.client_ip)
        if address is not None and is_public(address):
            kind = ListKind.IP4 if address.version == 4 else ListKind.IP6
            yield Subject(ListCheck.CLIENT, kind, reversed_address(address), str(address))
    elif item.phase is Phase.MAIL:
        yield from _domain(ListCheck.HELO, session.helo)
        local, _, domain = item.sender.rpartition("@")
        if local:
            yield from _domain(ListCheck.FROM, domain)
            address_text = item.sender.lower()
            yield Subject(ListCheck.FROM, ListKind.HASH, digest_of(address_text), address_text)


def _domain(check: ListCheck, text: str) -> Iterator[Subject]:
    name = domain_of(text)
    if name:
        yield Subject(check, ListKind.DOMAIN, name, name)


def plan(
    item: Item, zones: tuple[EdgeZone, ...], asks: Callable[[EdgeZone], bool], most: int
) -> tuple[Query, ...]:
    """Return at most `most` questions to the lists that `asks` lets be asked, each once, in policy order."""
    queries = {
        (zone.name, subject.name): Query(zone, subject)
        for subject, zone in fitting(item, zones)
        if asks(zone)
    }
    return tuple(islice(queries.values(), most))


def fitting(item: Item, zones: tuple[EdgeZone, ...]) -> Iterator[tuple[Subject, EdgeZone]]:
    """Yield what could be asked of which list if all of them served us."""
    active = [zone for zone in zones if zone.active]
    for subject in subjects_of(item) if active else ():
        for zone in active:
            if subject.check in zone.checks and subject.kind in zone.kinds:
                yield subject, zone
