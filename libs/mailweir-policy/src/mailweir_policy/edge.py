"""What the ingress does with a client before any of its mail comes: waiting, lists, suspect servers."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Cidr, Seconds


class Remedy(StrEnum):
    """What follows from something suspect about a client or sender, from the mildest to the hardest."""

    OFF = "off"
    SCORE = "score"  # it counts in the content's score
    GREYLIST = "greylist"  # and makes the client one for greylisting
    REJECT = "reject"  # 550 to each recipient
    CLOSE = "close"  # refused, and the session ends


class Wait(PolicyModel):
    """The wait before the banner: a mail server waits, much of what sends spam does not."""

    enabled: bool = True
    seconds: Annotated[float, Field(ge=0, le=30)] = 6.0
    """How long a client that nobody knows waits for the banner."""
    stress_seconds: Annotated[float, Field(ge=0, le=30)] = 2.0
    """The same under stress."""
    stress_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Share of `session.sessions` from which there is stress."""
    teaser: bool = True
    """Send the first line of a banner of several lines at once: who answers it talks before its turn."""
    pass_seconds: Seconds = 86_400.0
    """A client that has waited need not wait again for this long, on whatever process."""
    exempt_networks: tuple[Cidr, ...] = ("127.0.0.0/8", "::1/128")
    """Clients that never wait."""


class SuspectServers(PolicyModel):
    """What follows from a client or sender that does not look like a mail server's."""

    no_reverse_name: Remedy = Remedy.SCORE
    """The client's address has no name."""
    unconfirmed_name: Remedy = Remedy.SCORE
    """Its name does not lead back to its address."""
    dynamic_name: Remedy = Remedy.GREYLIST
    """Its name looks like that of a dial-up or home connection."""
    helo_not_qualified: Remedy = Remedy.SCORE
    """It greets with something that is no fully qualified name."""
    helo_unresolvable: Remedy = Remedy.SCORE
    """The name that it greets with does not exist."""
    helo_lies: Remedy = Remedy.GREYLIST
    """It greets with a name or address that belongs to somebody else."""
    sender_domain_missing: Remedy = Remedy.REJECT
    """The sender's domain does not exist or has neither MX nor address; never on a failed look-up."""
    sender_takes_no_mail: Remedy = Remedy.REJECT
    """The sender's domain says that it takes no mail (null MX, RFC 7505)."""
    spf_fail: Remedy = Remedy.SCORE
    """SPF says that the client may not send for the sender's domain."""
    spf_softfail: Remedy = Remedy.SCORE
    """SPF says that it probably may not."""


class EdgePolicy(PolicyModel):
    """The edge, as the ingress acts on what reputation, ratelimit and greylist say."""

    wait: Wait = Wait()
    listed: Remedy = Remedy.CLOSE
    """What follows when the DNS lists speak against a client beyond doubt (`reputation.reject_score`)."""
    listed_temporary: bool = False
    """Answer with 4xx where a listed client would be refused."""
    suspects: SuspectServers = SuspectServers()
    connect_seconds: Seconds = 1.0
    """Budget of all checks before the banner."""
    mail_seconds: Seconds = 2.0
    """Budget of the checks of the sender, which are made with those of the first recipients."""
    recipient_seconds: Seconds = 2.0
    """Budget of all checks of a burst of RCPT."""
