"""Reading an SPF record (RFC 7208 §4.5, §4.6.1, §5, §6): any error anywhere makes all of it invalid."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from .macros import MacroString, SpfSyntaxError, parse_domain_spec, parse_macros
from .model import MAX_RECORD, SpfStatus

_VERSION: Final = "v=spf1"
_PREFIX4: Final = r"(?:/(?P<four>0|[1-9][0-9]?))?"
_PREFIX6: Final = r"(?:/(?P<six>0|[1-9][0-9]{0,2}))?"
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)")
_MECHANISM: Final = re.compile(r"([-+?~]?)([A-Za-z][A-Za-z0-9._-]*)(.*)")
_DUAL: Final = re.compile(rf"(?P<spec>:.*?)?{_PREFIX4}{_PREFIX6.replace('/', '//')}")
_IP4: Final = re.compile(rf":(?P<address>[0-9.]{{7,15}}){_PREFIX4}")
_IP6: Final = re.compile(rf":(?P<address>[0-9A-Fa-f:.]{{2,45}}){_PREFIX6}")
_QUALIFIERS: Final = {
    "": SpfStatus.PASS,
    "+": SpfStatus.PASS,
    "-": SpfStatus.FAIL,
    "~": SpfStatus.SOFTFAIL,
    "?": SpfStatus.NEUTRAL,
}
_KEPT_OCTETS: Final = (
    2_048  # a longer record is rare, and a stranger could fill the memory with such
)
_KEPT: Final = 512  # records kept parsed; the same few providers are included by most domains


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism: `result` if it matches; `target` None stands for the domain of the record.

    `network` is the number of the network of an ip4 or ip6. `four` and `six` are prefix lengths.
    """

    name: str
    result: SpfStatus
    text: str
    target: MacroString | None = None
    network: int = 0
    four: int = 32
    six: int = 128


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A valid record: its mechanisms in order, and its two modifiers."""

    mechanisms: tuple[Mechanism, ...] = ()
    redirect: MacroString | None = None
    exp: MacroString | None = None


def is_spf(text: str) -> bool:
    """Say whether a TXT record is an SPF record: the version, then a blank or the end (§4.5)."""
    return text[:6].lower() == _VERSION and text[6:7] in ("", " ")


def parse_record(text: str) -> SpfRecord | str:
    """Return the record, or what is wrong with it. Never raises."""
    if len(text) > MAX_RECORD:
        return f"longer than {MAX_RECORD} octets"
    return _kept_record(text) if len(text) <= _KEPT_OCTETS else _parse_record(text)


def _parse_record(text: str) -> SpfRecord | str:
    if not is_spf(text):
        return "not an SPF record"
    if not text.isascii():
        return "octets beyond ASCII"
    try:
        return _parse(text[6:].split(" "))
    except SpfSyntaxError as error:
        return str(error)


_kept_record: Final = lru_cache(maxsize=_KEPT)(_parse_record)


def _parse(terms: list[str]) -> SpfRecord:
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, terms):
        found = _MODIFIER.fullmatch(term)
        if found is None:
            mechanisms.append(_mechanism(term))
            continue
        name = found[1].lower()
        if name not in ("redirect", "exp"):
            parse_macros(found[2])
        elif name in modifiers:
            raise SpfSyntaxError(f"{name}= stands there twice")
        else:
            modifiers[name] = parse_domain_spec(found[2])
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


def _mechanism(term: str) -> Mechanism:
    found = _MECHANISM.fullmatch(term)
    name = found[2].lower() if found else ""
    if found is None or name not in ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"):
        raise SpfSyntaxError(f"no such mechanism: {term[:80]!r}")
    result, rest = _QUALIFIERS[found[1]], found[3]
    if name in ("a", "mx"):
        return _dual(name, result, term, rest)
    if name in ("ip4", "ip6"):
        return _network(name, result, term, rest)
    if name in ("all", "ptr") and not rest:
        return Mechanism(name, result, term)
    if name == "all" or not rest.startswith(":"):
        raise SpfSyntaxError(f"not of the form of {name}: {term[:80]!r}")
    return Mechanism(name, result, term, parse_domain_spec(rest[1:]))


def _dual(name: str, result: SpfStatus, term: str, rest: str) -> Mechanism:
    found = _DUAL.fullmatch(rest)
    if found is None:
        raise SpfSyntaxError(f"not of the form of {name}: {term[:80]!r}")
    spec = found["spec"]
    target = None if spec is None else parse_domain_spec(spec[1:])
    four, six = _prefix(found["four"], 32), _prefix(found["six"], 128)
    return Mechanism(name, result, term, target, four=four, six=six)


def _prefix(digits: str | None, most: int) -> int:
    length = most if digits is None else int(digits)
    if length > most:
        raise SpfSyntaxError(f"no prefix length: /{length}")
    return length


def _network(name: str, result: SpfStatus, term: str, rest: str) -> Mechanism:
    found = (_IP4 if name == "ip4" else _IP6).fullmatch(rest)
    if found is None:
        raise SpfSyntaxError(f"not an address: {term[:80]!r}")
    try:
        if name == "ip4":
            four, address = _prefix(found["four"], 32), int(IPv4Address(found["address"]))
            return Mechanism(name, result, term, network=address >> (32 - four), four=four)
        six, address = _prefix(found["six"], 128), int(IPv6Address(found["address"]))
        return Mechanism(name, result, term, network=address >> (128 - six), six=six)
    except AddressValueError as error:
        raise SpfSyntaxError(f"not an address: {term[:80]!r}") from error
