"""What a client greets with: what kind of thing it is, and whose (RFC 5321 §4.1.4 asks for its own name)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.asking import Asking
from mailweir_core.client import ClientFacts
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_core.net import Address, client_network, is_public, parse_ip
from mailweir_mail.auth.names import ask_name
from mailweir_mail.listed import domain_of

_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
MAX_HELO: Final = 255


class GreetingKind(StrEnum):
    """What a client greets with."""

    NAME = "name"
    LITERAL = "literal"  # an address in brackets
    OTHER = "other"  # an address without brackets, one word, what can be no name


@dataclass(frozen=True, slots=True)
class Greeting:
    """A greeting; `addresses` are those of the name or the literal. `exists` None: nobody could tell."""

    kind: GreetingKind
    text: str
    addresses: tuple[Address, ...] = ()
    exists: bool | None = None


def read_greeting(helo: str) -> Greeting:
    """Return what a client greets with, as far as it can be told by itself."""
    text = helo.strip()[:MAX_HELO]
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1]
        if inner[:5].lower() == "ipv6:":
            inner = inner[5:]
        address = parse_ip(inner)
        kind = GreetingKind.OTHER if address is None else GreetingKind.LITERAL
        return Greeting(kind, text, () if address is None else (address,))
    name = ask_name(text) or ""
    if parse_ip(text) is not None or not _NAME.fullmatch(name):
        return Greeting(GreetingKind.OTHER, text)
    return Greeting(GreetingKind.NAME, name)


def find_greeting(helo: str) -> Asking[Greeting]:
    """Return what a client greets with; a name is asked for its addresses, and for exchangers without any."""
    greeting = read_greeting(helo)
    if greeting.kind is not GreetingKind.NAME:
        return greeting
    name = greeting.text
    answers = yield (DnsQuestion(name, RecordType.A), DnsQuestion(name, RecordType.AAAA))
    addresses = addresses_of(answers)
    if addresses:
        return Greeting(greeting.kind, name, addresses, exists=True)
    if any(answer.status is DnsStatus.TEMPERROR for answer in answers):
        return greeting
    if all(answer.status is DnsStatus.NXDOMAIN for answer in answers):
        return Greeting(greeting.kind, name, exists=False)
    (exchangers,) = yield (DnsQuestion(name, RecordType.MX),)
    if exchangers.status is DnsStatus.TEMPERROR:
        return greeting
    return Greeting(greeting.kind, name, exists=bool(exchangers.records))


def addresses_of(answers: tuple[DnsAnswer, ...]) -> tuple[Address, ...]:
    """Return the addresses in some answers."""
    found = (parse_ip(record) for answer in answers for record in answer.records)
    return tuple(address for address in found if address is not None)


def unqualified(greeting: Greeting, client: Address) -> bool:
    """Say whether it names nothing that the net knows: one word, a bare address, an inner address."""
    if greeting.kind is GreetingKind.LITERAL:
        return greeting.addresses[0] != client and not is_public(greeting.addresses[0])
    return greeting.kind is GreetingKind.OTHER


def lies(greeting: Greeting, client: Address, known: ClientFacts, own_name: str) -> bool:
    """Say whether it claims to be somebody else.

    Senders with many addresses greet with a name that leads to another of them, so a name is only somebody
    else's where nothing connects it with the client: no network of its addresses, no name of the client, and
    no SPF record that lets the client send for the domain.
    """
    if greeting.kind is GreetingKind.LITERAL:
        return greeting.addresses[0] != client and is_public(greeting.addresses[0])
    if greeting.text == own_name.lower():
        return True
    others = [a for a in greeting.addresses if a.version == client.version]
    if not others or any(client in client_network(address) for address in others):
        return False
    domain = domain_of(greeting.text)
    return domain not in (domain_of(known.host), domain_of(known.spf_domain))
