"""What of a message lists are asked about: addresses, domains, hashes, in the form that the DNS has them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import islice
from typing import Final
from urllib.parse import parse_qsl

from mailweir_core.net import Address, is_public, parse_ip
from mailweir_mail.listed import digest_of, domain_of, reversed_address
from mailweir_policy.lists import ListCheck, ListKind, ListsPolicy
from mailweir_scoring.policy.checks.common import from_outside
from mailweir_scoring.policy.checks.targets import clicked, target_of
from mailweir_scoring.policy.facts import Facts

MOST_NESTED: Final = 3
"""Web addresses in the query of another one: redirectors in a row."""
_NUMBER: Final = re.compile(r"0x[0-9a-f]{1,8}|\d{1,11}")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask about: what kind, as the DNS has it, and as people read it."""

    check: ListCheck
    kind: ListKind
    name: str
    shown: str


def items_of(facts: Facts, policy: ListsPolicy) -> Iterator[Item]:
    """Yield what may be asked about, the most telling first, nothing twice for the same check."""
    yield from client(facts)
    yield from _senders(facts)
    yield from islice(received(facts), policy.received_hops)
    yield from islice(linked(facts), policy.domains)


def client(facts: Facts) -> Iterator[Item]:
    """Yield the address that sent it to us, never one of a user of ours, and the name it gave."""
    if facts.envelope is None or not from_outside(facts):
        return
    session = facts.envelope.session
    yield from _address(ListCheck.CLIENT, parse_ip(session.client_ip))
    yield from _domain(ListCheck.HELO, session.helo)


def received(facts: Facts) -> Iterator[Item]:
    """Yield the addresses further back, newest first: public ones, and no client of a submission.

    The first field is our own and names the client. People send from dynamic addresses, which lists of such
    addresses rightly hold: a hop that was authenticated is no sign of spam.
    """
    if facts.envelope is None or not from_outside(facts):
        return
    seen = {facts.envelope.session.client_ip}
    for hop in facts.message.received[1:]:
        authenticated = hop.with_.lower() in ("esmtpa", "esmtpsa", "asmtp", "http", "https")
        if hop.ip is None or str(hop.ip) in seen or authenticated:
            continue
        seen.add(str(hop.ip))
        yield from _address(ListCheck.RECEIVED, hop.ip)


def _senders(facts: Facts) -> Iterator[Item]:
    senders = [a.address for a in facts.message.from_.addresses[:2]]
    if facts.envelope is not None and facts.envelope.sender:
        senders.insert(0, facts.envelope.sender)
    replies = [a.address for a in facts.message.reply_to.addresses[:1]]
    for check, addresses in ((ListCheck.FROM, senders), (ListCheck.REPLY, replies)):
        seen = set[str]()
        for item in (item for address in addresses for item in _mailbox(check, address)):
            if item.name not in seen:
                seen.add(item.name)
                yield item


def _mailbox(check: ListCheck, address: str) -> Iterator[Item]:
    local, at, domain = address.rpartition("@")
    if not at or not local:
        return
    yield from _domain(check, domain)
    yield Item(check, ListKind.HASH, digest_of(address), address.lower())


def linked(facts: Facts) -> Iterator[Item]:
    """Yield where links lead, each organisational domain or address once; our own domains are left out."""
    own, seen = facts.identity.local_domains, set[str]()
    for link in clicked(facts.texts):
        for host in hosts_of(link.href):
            for item in _host(host):
                if item.name not in seen and item.name not in own:
                    seen.add(item.name)
                    yield item


def hosts_of(href: str) -> Iterator[str]:
    """Yield the host that a web address leads to, and those of addresses in its query (redirectors)."""
    waiting, count = [href], 0
    while waiting and count <= MOST_NESTED:
        count += 1
        # browsers take a backslash for a slash, so what stands before one is no user part
        target = target_of(waiting.pop(0).replace("\\", "/"))
        if target is None:
            continue
        yield target.host
        query = target.rest.partition("?")[2]
        if "http" in query.lower():
            pairs = parse_qsl(query, max_num_fields=None)
            inner = (value for _, value in islice(pairs, 50) if value.lower().startswith("http"))
            waiting += islice(inner, MOST_NESTED)


def _host(host: str) -> Iterator[Item]:
    address = literal(host)
    if address is not None:
        yield from _address(ListCheck.URLS, address)
    else:
        yield from _domain(ListCheck.URLS, host)


def literal(host: str) -> Address | None:
    """Return the address that a host in a link is, in any form that browsers read: `0x7f.1`, `3232235777`."""
    plain = parse_ip(host.strip("[]"))
    pieces = host.split(".")
    if plain is not None or not all(_NUMBER.fullmatch(p) for p in pieces) or len(pieces) > 4:
        return plain
    try:
        numbers = [_number(piece) for piece in pieces]
    except ValueError:
        return None
    value, width = 0, 8 * (5 - len(numbers))
    for number in numbers[:-1]:
        if number > 255:
            return None
        value = (value << 8) | number
    if numbers[-1] >= 1 << width:
        return None
    return IPv4Address((value << width) | numbers[-1])


def _number(piece: str) -> int:
    if piece.startswith("0x"):
        return int(piece, 16)
    return int(piece, 8) if piece.startswith("0") and len(piece) > 1 else int(piece)


def _domain(check: ListCheck, text: str) -> Iterator[Item]:
    name = domain_of(text)
    if name:
        yield Item(check, ListKind.DOMAIN, name, name)


def _address(check: ListCheck, address: Address | None) -> Iterator[Item]:
    """Yield an address; what is not of the public net is nobody's business."""
    if address is not None and is_public(address):
        kind = ListKind.IP4 if address.version == 4 else ListKind.IP6
        yield Item(check, kind, reversed_address(address), str(address))
