"""Whether a client's name looks like that of a dial-up or home connection.

Providers name such addresses by rule: the address stands in the name, and beside it a word for the kind of
line. One of both alone is no sign: hosters put addresses into the names of servers, and `pool` may be a host.
"""

import re
from ipaddress import IPv4Address
from typing import Final

from mailweir_core.net import Address
from mailweir_mail.auth.suffix import organizational_domain

_WORDS: Final = re.compile(
    r"[avsx]?dsl\w*|dyn(?:amic\w*|ip\w*)?|dhcp|pools?|pppo?[ea]?|dial(?:up|in)?|dip|cable(?:modem)?|catv|cm"
    r"|broadband|bband|cpe|ft+[hbcx]|gpon|docsis|hsd|resnet|res|home|customers?|cust|users?|subscribers?"
    r"|wireless|wifi|wimax|mobile|gprs|umts|lte|cgnat?"
)
_SERVERS: Final = re.compile(
    r"static\w*|stat|statip|fixed|mail\w*|mx|mta|smtp|relay|servers?|srv|vps|host(?:ing|ed)|colo\w*|dedicated"
)
_LETTERS: Final = re.compile(r"[a-z]+")
_NUMBERS: Final = re.compile(r"\d+")
_NO_HEX: Final = re.compile(r"[^0-9a-f]")


def looks_dynamic(name: str, address: Address) -> bool:
    """Say whether the name's part below the owner's domain has the address and a word for such a line."""
    name = name.lower().removesuffix(".")
    own = name.removesuffix(organizational_domain(name)).removesuffix(".")
    words = _LETTERS.findall(own)
    if not own or any(_SERVERS.fullmatch(word) for word in words):
        return False
    return any(_WORDS.fullmatch(word) for word in words) and _has(own, address)


def _has(own: str, address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return _has_octets(own, str(address).split(".")) or _has_digits(own, address)
    digits = address.exploded.replace(":", "")
    plain = _NO_HEX.sub("", own)
    return digits[16:] in plain or digits[:16] in plain


def _has_octets(own: str, octets: list[str]) -> bool:
    """Say whether the last two octets or all four stand in it one after the other, in either order."""
    numbers = [number.lstrip("0") or "0" for number in _NUMBERS.findall(own)]
    wanted = (octets, octets[::-1], octets[2:], octets[:1:-1])
    return any(numbers[at : at + len(row)] == row for row in wanted for at in range(len(numbers)))


def _has_digits(own: str, address: IPv4Address) -> bool:
    """Say whether the address stands in it in one piece: 12 digits, or 8 of base sixteen."""
    padded = "".join(f"{octet:03d}" for octet in address.packed)
    backwards = "".join(f"{octet:03d}" for octet in reversed(address.packed))
    forms = (address.packed.hex(), padded, backwards)
    return any(form in own for form in forms)
