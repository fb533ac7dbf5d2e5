"""How a sender's authentication counts: which checks run, and what follows from each bad result."""

from enum import StrEnum

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Domain


class OnResult(StrEnum):
    """What follows from a bad result."""

    NONE = "none"  # it is named and counts nothing
    MARK = "mark"  # its score counts
    HOLD = "hold"  # its score counts, and the message is held at least
    REFUSE = "refuse"  # the message is refused


class AuthenticationPolicy(PolicyModel):
    """SPF, DKIM, DMARC and ARC. Nothing is asked without a resolver (process setting `dns`)."""

    spf: bool = True
    """Whether the client may send for the domain of the return path (RFC 7208)."""
    dkim: bool = True
    """Whether a domain vouches for the content (RFC 6376)."""
    dmarc: bool = True
    """Whether one of both holds for the domain that the reader sees (RFC 7489)."""
    arc: bool = True
    """What relays that are trusted say they saw (RFC 8617)."""
    spf_softfail: OnResult = OnResult.MARK
    """What follows from `~all`."""
    spf_fail: OnResult = OnResult.MARK
    """What follows from `-all`. Forwarders break SPF, so refusing loses wanted mail."""
    dkim_invalid: OnResult = OnResult.MARK
    """What follows where every signature is wrong."""
    dmarc_quarantine: OnResult = OnResult.MARK
    """What follows where DMARC fails and the domain asks for quarantine."""
    dmarc_reject: OnResult = OnResult.MARK
    """What follows where DMARC fails and the domain asks for refusal."""
    own_domain: OnResult = OnResult.REFUSE
    """What follows where mail from outside poses as one of our domains and our own DMARC record asks for
    refusal. Without such a record the score of `OWN_DOMAIN_SPOOFED` counts."""
    trusted_sealers: tuple[Domain, ...] = Field((), examples=[["lists.example.org"]])
    """Domains whose ARC seals are believed; a chain they close stands in for what forwarding broke."""
    results_header: bool = True
    """Put `Authentication-Results` on the message (RFC 8601)."""
