"""Whose message it says it is: the one domain of its From header, or why there is none (RFC 7489 §6.6.1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_mail.address import parse_addresses
from mailweir_mail.auth.names import ask_name
from mailweir_mail.headers import Headers

MAX_FIELDS: Final = 8  # From fields that are read; two are too many already
MAX_AUTHORS: Final = 64  # addresses of one field
MAX_DOMAINS: Final = 4  # whose policies are looked up for a From header with several


class FromProblem(StrEnum):
    """Why a From header names no one author: no reader can be sure which one a person is shown."""

    MISSING = "missing"
    SEVERAL_FIELDS = "several_fields"
    SEVERAL_DOMAINS = "several_domains"
    NO_DOMAIN = "no_domain"


@dataclass(frozen=True, slots=True)
class Author:
    """`domain` (in A-labels) is set where there is no `problem`; `domains` are those named, in order."""

    domain: str = ""
    problem: FromProblem | None = None
    domains: tuple[str, ...] = ()


def author_of(headers: Headers) -> Author:
    """Read every From field. Several fields are refused even where they agree: readers pick differently."""
    fields = headers.all("from")
    if not fields:
        return Author(problem=FromProblem.MISSING)
    lists = [parse_addresses(field.undecoded, MAX_AUTHORS) for field in fields[:MAX_FIELDS]]
    found = [address.domain for listed in lists for address in listed.addresses]
    names = [ask_name(domain) for domain in found]
    domains = tuple(dict.fromkeys(name for name in names if name))[:MAX_DOMAINS]
    if len(fields) > 1:
        return Author(problem=FromProblem.SEVERAL_FIELDS, domains=domains)
    if not domains or None in names:
        return Author(problem=FromProblem.NO_DOMAIN, domains=domains)
    if len(domains) > 1:
        return Author(problem=FromProblem.SEVERAL_DOMAINS, domains=domains)
    return Author(domains[0], None, domains)
