"""DNS lists for a test's name server (RFC 5782), which can also refuse, lie, hang or die, from one moment on.

    async with dns_server() as dns:
        bl = dns.listing("bl.example.org", DnsList())
        bl.add("192.0.2.1")
        bl.act(Acting.WORLD)           # from now on it lists whatever it is asked for
        assert bl.asked("192.0.2.1")

A healthy list has the test entries of RFC 5782 §5 and what was added. With a key it serves only names that
hold the key, as providers do it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, ip_address
from typing import Final

import dns.message
import dns.rcode
import dns.rrset

LISTED: Final = ("127.0.0.2",)
TEST_ENTRIES: Final = ("2.0.0.127", "test")
MAPPED: Final = "::ffff:127.0.0.2"


class Acting(StrEnum):
    """How a list behaves."""

    WELL = "well"
    REFUSING = "refusing"  # it says that it does not serve us
    WORLD = "world"  # it lists everything, as one whose domain was sold
    WORLD_BUT_TESTS = "world-but-tests"  # the same, but for what it is tested by
    REWRITTEN = "rewritten"  # a resolver answers for names that do not exist
    EMPTY = "empty"  # it lists nothing, not even its test entries
    SERVFAIL = "servfail"
    SILENT = "silent"  # never answers


@dataclass(slots=True)
class DnsList:
    """One list. `seconds` is how long each answer takes, `ttl` how long it holds, listed or not."""

    key: str = ""
    refusal: str = "127.255.255.254"
    rewriting: str = "198.51.100.53"
    ttl: int = 60
    seconds: float = 0.0
    acting: Acting = Acting.WELL
    questions: list[str] = field(default_factory=list)
    """What was asked for, without key and zone, in order of arrival."""
    _entries: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have the test entries."""
        for entry in (*TEST_ENTRIES, _reversed(MAPPED)):
            self._entries[entry] = LISTED

    def add(self, entry: str, codes: Iterable[str] = LISTED) -> None:
        """List an address, or a domain or hash as it stands."""
        self._entries[_name(entry)] = tuple(codes)

    def remove(self, entry: str) -> None:
        """List it no more."""
        self._entries.pop(_name(entry), None)

    def act(self, acting: Acting, seconds: float = 0.0) -> None:
        """Behave so from now on, each answer taking `seconds`."""
        self.acting, self.seconds = acting, seconds

    def asked(self, entry: str) -> int:
        """Return how often an address, domain or hash was asked for."""
        return self.questions.count(_name(entry))

    async def respond(self, query: dns.message.Message, item: str) -> dns.message.Message | None:
        """Return the answer for what stands before the zone, None where none is to be sent."""
        if self.key:
            item, _, key = item.rpartition(".")
            acting = self.acting if key == self.key else Acting.REFUSING
        else:
            acting = self.acting
        self.questions.append(item)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if acting is Acting.SILENT:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if acting is Acting.SERVFAIL:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        codes = self._codes(item, acting)
        question = query.question[0]
        if codes:
            response.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", "A", *codes))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
            soa = f"ns.invalid. root.invalid. 1 3600 600 86400 {self.ttl}"
            response.authority.append(
                dns.rrset.from_text(question.name.parent(), self.ttl, "IN", "SOA", soa)
            )
        return response

    def _codes(self, item: str, acting: Acting) -> tuple[str, ...]:
        known = () if acting is Acting.EMPTY else self._entries.get(item, ())
        match acting:
            case Acting.REFUSING:
                return (self.refusal,)
            case Acting.WORLD:
                return known or LISTED
            case Acting.WORLD_BUT_TESTS:
                tests = item.endswith((".127", ".invalid")) or item == "invalid"
                return known or (() if tests else LISTED)
            case Acting.REWRITTEN:
                return known or (self.rewriting,)
        return known


def _name(entry: str) -> str:
    try:
        return _reversed(entry)
    except ValueError:
        return entry.lower()


def _reversed(text: str) -> str:
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return ".".join(reversed(str(address).split(".")))
    return ".".join(reversed(address.exploded.replace(":", "")))
