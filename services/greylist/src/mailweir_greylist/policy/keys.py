"""What stands for client, sender and recipient in each mode, and the keys made of it.

A big sender tries again from another of its hosts. So what stands for a client is the domain that SPF
authorised it for, else the registered domain of its confirmed name, else its network. A name that is made of
the client's address (`192-0-2-7.dyn.example.net`) belongs to a customer of that domain, not to its mail
servers: such a client is its network, or one infected customer would let in all.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final

from mailweir_core.net import Address, client_network, parse_ip
from mailweir_greylist.policy.entry import Kind, key_of
from mailweir_greylist.policy.question import Question
from mailweir_greylist.policy.senders import normal_sender
from mailweir_mail.auth.suffix import is_public_suffix, organizational_domain
from mailweir_policy.greylist import GreylistMode, GreylistOwner, GreylistPolicy

SPF: Final = "spf:"
HOST: Final = "host:"
SPF_PASSED: Final = "pass"  # the result, as RFC 7208 §2.6 names it
_KEPT: Final = 8192
_NUMBERS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Triplet:
    """What one entry is about, readable, and its key. In some modes client or sender are empty."""

    client: str
    sender: str
    recipient: str
    key: str


def identity(question: Question) -> str:
    """Return what stands for the client: `spf:<domain>`, `host:<domain>` or its network."""
    if domain := authorised_domain(question):
        return SPF + domain
    if domain := _owner(question.client.host, parse_ip(question.session.client_ip)):
        return HOST + domain
    return network(question)


def authorised_domain(question: Question) -> str:
    """Return the domain that SPF authorised the client for, empty where there is none."""
    client = question.client
    return client.spf_domain.casefold().rstrip(".") if client.spf == SPF_PASSED else ""


def network(question: Question) -> str:
    """Return the client's network, IPv4 /24 or IPv6 /64; what is no address comes back as it is."""
    return _network(question.session.client_ip)


@lru_cache(maxsize=_KEPT)
def _network(text: str) -> str:
    address = parse_ip(text)
    return text if address is None else str(client_network(address))


def _owner(host: str, address: Address | None) -> str:
    if not host or address is None or is_public_suffix(host) or names_address(host, address):
        return ""
    return organizational_domain(host.rstrip("."))


def names_address(host: str, address: Address) -> bool:
    """Say whether a host's name is made of its address, as those of dial-up and cloud hosts are.

    That is where it holds the last two numbers of an IPv4 address, decimal or in hexadecimal, or the last
    four digits of an IPv6 address.
    """
    name = host.casefold()
    if not isinstance(address, IPv4Address):
        return address.packed[-2:].hex() in name.replace("-", "").replace(".", "")
    octets = address.packed
    if octets[2:].hex() in name:
        return True
    numbers = {int(n) for n in _NUMBERS.findall(name) if len(n) <= 3}
    run_together = "".join(f"{octet:03}" for octet in octets)
    return {octets[2], octets[3]} <= numbers or run_together in name


def triplets(question: Question, policy: GreylistPolicy) -> Iterator[Triplet]:
    """Yield what a question is about for each of its recipients, by the policy's mode and owner."""
    client, sender = _parts(question, policy.mode)
    for recipient in question.recipients:
        to = _recipient(recipient, policy.owner)
        yield Triplet(client, sender, to, key_of(Kind.TRIPLET, client, sender, to))


def _parts(question: Question, mode: GreylistMode) -> tuple[str, str]:
    match mode:
        case GreylistMode.SENDER:
            return "", normal_sender(question.sender)
        case GreylistMode.IP:
            return network(question), ""
        case GreylistMode.SENDER_IP:
            return network(question), normal_sender(question.sender)
        case GreylistMode.IP_HELO:
            return f"{network(question)} {question.session.helo.casefold()}", ""
        case _ if authorised_domain(question):
            return identity(question), "@" + question.sender.casefold().rpartition("@")[2]
    return identity(question), normal_sender(question.sender)


def _recipient(recipient: str, owner: GreylistOwner) -> str:
    text = recipient.casefold()
    return "@" + text.rpartition("@")[2] if owner is GreylistOwner.DOMAIN else text


def client_key(client: str) -> str:
    """Return the key of what is counted of a client."""
    return key_of(Kind.CLIENT, client)


def mark_key(sender: str) -> str:
    """Return the key of the mark that a sender's last message was spam."""
    return key_of(Kind.MARK, normal_sender(sender))
