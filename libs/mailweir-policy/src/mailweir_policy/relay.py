"""Who may send what through us: local domains, recipients, trusted networks, submission."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Cidr, Domain, MailAddress, Seconds


class LocalDomain(PolicyModel):
    """A domain that we take mail for, and how its recipients are known."""

    name: Domain
    recipients: Literal["all", "list", "callout"] = "all"
    """`all` takes every address, `list` those named, `callout` asks the next hop and remembers."""
    addresses: frozenset[MailAddress] = frozenset()
    """The recipients of `list`; an entry's `+extension` is accepted with it."""

    @model_validator(mode="after")
    def _listed(self) -> Self:
        if self.recipients == "list" and not self.addresses:
            raise ValueError(
                "recipients is 'list' but addresses is empty: nobody could receive mail"
            )
        strangers = sorted(a for a in self.addresses if not a.endswith(f"@{self.name}"))
        if strangers:
            raise ValueError(f"{strangers[0]!r} is not in the domain {self.name!r}")
        return self


class Callout(PolicyModel):
    """Asking the next hop whether a recipient exists, and for how long the answer holds."""

    timeout_seconds: Seconds = 5.0
    good_seconds: Seconds = 604_800.0
    """A recipient that existed is not asked about again for this long."""
    bad_seconds: Seconds = 10_800.0
    """A recipient that did not exist is not asked about again for this long."""
    cache_entries: int = Field(50_000, ge=100, le=10_000_000)


class RelayPolicy(PolicyModel):
    """Relay control. The right to relay and the exemption from scanning are two switches."""

    domains: tuple[LocalDomain, ...] = (LocalDomain(name="example.com"),)
    """Domains that mail is taken for."""
    trusted_networks: tuple[Cidr, ...] = ()
    """Clients that may relay anywhere without AUTH."""
    unscanned_networks: tuple[Cidr, ...] = ()
    """Clients whose mail is not scanned; gives no right to relay."""
    scan_submission: bool = True
    """Whether mail of authenticated users is scanned."""
    proxy_networks: tuple[Cidr, ...] = ()
    """Proxies whose PROXY v1/v2 header is read, and must be there."""
    reject_local_sender_unauthenticated: bool = False
    """Refuse a local domain as sender on port 25 without AUTH or trust."""
    require_helo: bool = True
    """Refuse MAIL before HELO or EHLO."""
    reject_own_name_helo: bool = True
    """Refuse a client that says HELO with our own name or address."""
    callout: Callout = Callout()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        seen: set[str] = set()
        for domain in self.domains:
            if domain.name in seen:
                raise ValueError(f"the domain {domain.name!r} is named twice")
            seen.add(domain.name)
        return self


class SubmissionPolicy(PolicyModel):
    """Ports 587 and 465: our own users."""

    sender_must_be_owned: bool = True
    """A user may only send from addresses of the account."""
    recipients_per_message: int = Field(100, ge=1, le=1000)
