"""Which DNS lists are asked about a message, about what of it, and what their answers mean.

No list is asked by default: each is a third party that is told an address, a domain or a hash.
"""

import re
from enum import StrEnum
from typing import Annotated, Final, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Domain, Seconds

_RANGE: Final = re.compile(r"127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:-(\d{1,3}))?")
_BITS: Final = re.compile(r"&(\d{1,3})")
MOST_SCORE: Final = 10.0


class Codes(NamedTuple):
    """Answers that mean one thing: 127.a.b.low to 127.a.b.high, or one of `bits` set in the last octet."""

    net: tuple[int, int] = (0, 0)
    low: int = 0
    high: int = 255
    bits: int = 0

    def has(self, octets: tuple[int, int, int, int]) -> bool:
        """Say whether an answer (its four octets) is one of them."""
        if self.bits:
            return octets[0] == 127 and bool(octets[3] & self.bits)
        return octets[:3] == (127, *self.net) and self.low <= octets[3] <= self.high


def parse_codes(text: str) -> Codes:
    """Return what `127.0.0.2`, `127.0.0.4-7` or `&8` stands for; raises ValueError with a sentence."""
    if found := _BITS.fullmatch(text):
        if 0 < int(found[1]) < 256:
            return Codes(bits=int(found[1]))
    elif found := _RANGE.fullmatch(text):
        a, b, low = (int(found[n]) for n in (1, 2, 3))
        high = int(found[4] or low)
        if max(a, b, high) < 256 and low <= high:
            return Codes((a, b), low, high)
    raise ValueError(f"{text!r}: write 127.0.0.2, 127.0.0.4-7 or, for bits of the last octet, &8")


def _codes(text: str) -> str:
    parse_codes(text)
    return text


CodesText = Annotated[str, AfterValidator(_codes), Field(examples=["127.0.0.2", "&8"])]
"""Return codes of a list."""

ListScore = Annotated[float, Field(ge=-MOST_SCORE, le=MOST_SCORE)]
"""Points of a listing; no list alone may refuse a message."""


class ListKind(StrEnum):
    """What a list lists."""

    IP4 = "ip4"
    IP6 = "ip6"
    DOMAIN = "domain"
    HASH = "hash"  # SHA-1 of a mail address in lower case


class ListCheck(StrEnum):
    """What of a message a list is asked about."""

    CLIENT = "client"  # the address that sent it to us
    RECEIVED = "received"  # addresses further back, from the Received headers
    HELO = "helo"
    FROM = "from"  # return path and From
    REPLY = "reply"  # Reply-To
    URLS = "urls"  # where its links lead


class ListCode(PolicyModel):
    """What one answer of a list means."""

    codes: CodesText
    name: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,14}[a-z0-9])?$", examples=["phish"])
    """Becomes the end of the signal's name: `LIST_<LIST>_<NAME>`."""
    score: ListScore
    description: str = Field("", max_length=100)


class ListZone(PolicyModel):
    """One list: its zone in the DNS, what it lists, what it is asked about, and what its answers mean."""

    name: str = Field(pattern=r"^[a-z](?:[a-z0-9-]{0,22}[a-z0-9])?$", examples=["dbl"])
    """Becomes the signal's name: `LIST_<NAME>`."""
    zone: Domain
    kinds: frozenset[ListKind] = Field(min_length=1)
    checks: frozenset[ListCheck] = Field(min_length=1)
    enabled: bool = True
    score: ListScore = 2.0
    """Points of an answer that is none of `codes`; with `codes`, such an answer counts nothing."""
    codes: tuple[ListCode, ...] = Field((), max_length=32)
    """Answers that mean something of their own. Empty: every answer in 127/8 is a listing."""
    refusals: tuple[CodesText, ...] = ()
    """Answers by which this list says that it does not serve us, beside those that are known anyway."""
    display: str = Field("", max_length=60)
    """What headers and reports call it; empty for `name`."""
    provider: str = Field("", max_length=40)
    """Lists of one provider count as one opinion: of each, only the weightiest listing counts."""
    terms_accepted: bool = True
    """False keeps a list with terms of use silent until somebody has read them."""
    key_secret: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    """Name of a file in the directory of secrets with the key that goes before the zone."""
    timeout_seconds: Annotated[float, Field(gt=0, le=10)] = 1.0

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        addresses = {ListCheck.CLIENT, ListCheck.RECEIVED}
        if self.checks <= addresses and not self.kinds & {ListKind.IP4, ListKind.IP6}:
            raise ValueError("client and received are addresses: kinds needs ip4 or ip6")
        if self.key_secret.strip(".") != self.key_secret:
            raise ValueError("key_secret must not begin or end with a dot")
        return self

    @property
    def title(self) -> str:
        """Return what people are shown; never the zone, which may hold a key."""
        return self.display or self.name

    @property
    def active(self) -> bool:
        """Say whether the list may be asked."""
        return self.enabled and self.terms_accepted


class ListsPolicy(PolicyModel):
    """DNS lists in content scoring."""

    zones: tuple[ListZone, ...] = Field((), max_length=64)
    queries: int = Field(50, ge=0, le=500)
    """Most questions to lists about one message; client and senders come first, links last."""
    domains: int = Field(20, ge=0, le=200)
    """Most different domains of links that are asked about."""
    received_zones: int = Field(3, ge=0, le=20)
    """Most lists that are asked about addresses of Received headers, in the order of `zones`."""
    received_hops: int = Field(3, ge=0, le=20)
    """Most addresses of Received headers that are asked about, the newest first."""
    mute_seconds: Seconds = 300.0
    """A list that does not serve us is not asked for so long, doubled each time it still does not."""
    mute_longest_seconds: Seconds = 3600.0

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [zone.name for zone in self.zones]
        names += [f"{zone.name}-{code.name}" for zone in self.zones for code in zone.codes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the list {twice!r} is named twice")
        return self
