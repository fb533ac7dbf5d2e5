"""Field types that carry their check and their form in the JSON schema."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from mailweir_core.net import parse_network

_DOMAIN: Final = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def _cidr(value: str) -> str:
    return str(parse_network(value))


def _domain(value: str) -> str:
    name = value.strip().rstrip(".").lower()
    try:
        ascii_name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError as error:
        raise ValueError(f"{value!r} is not a domain name") from error
    if not _DOMAIN.fullmatch(ascii_name):
        raise ValueError(f"{value!r} is not a domain name")
    return ascii_name


def _address(value: str) -> str:
    local, at, domain = value.strip().rpartition("@")
    if not at or not local or len(local) > 64:
        raise ValueError(f"{value!r} is not a mail address")
    return f"{local.casefold()}@{_domain(domain)}"


Cidr = Annotated[str, AfterValidator(_cidr), Field(examples=["192.0.2.0/24", "2001:db8::/32"])]
"""A network in CIDR form without host bits, or one address."""

Domain = Annotated[str, AfterValidator(_domain), Field(examples=["example.com"])]
"""A domain name, lower case, in its ASCII form."""

MailAddress = Annotated[str, AfterValidator(_address), Field(examples=["user@example.com"])]
"""A mail address, lower case."""

Seconds = Annotated[float, Field(gt=0, le=864_000)]
Score = Annotated[float, Field(ge=-100, le=100)]
Cap = Annotated[float, Field(ge=0, le=1000)]
Bytes = Annotated[int, Field(gt=0, le=268_435_456)]
