"""What the stage `auth` found out, for all stages after it."""

from dataclasses import dataclass
from typing import Final

from mailweir_mail.auth.arc import ArcResult, ArcStatus
from mailweir_mail.auth.dkim import DkimResult
from mailweir_mail.auth.dmarc import Author, DmarcResult, DmarcStatus
from mailweir_mail.auth.spf import SpfResult

NO_CHAIN: Final = ArcResult(ArcStatus.NONE)


@dataclass(frozen=True, slots=True)
class Authentication:
    """The results; None where a check did not run: switched off, or there is no session for SPF.

    `spf` is of the return path (of HELO where it is null), `helo` of the HELO name beside it. `sealer` is the
    trusted domain that closed a chain which holds; `vouched`: that chain tells that the author's domain
    passed DMARC before a forwarder changed something.
    """

    author: Author
    spf: SpfResult | None = None
    helo: SpfResult | None = None
    dkim: tuple[DkimResult, ...] = ()
    dmarc: DmarcResult | None = None
    arc: ArcResult = NO_CHAIN
    sealer: str = ""
    vouched: bool = False

    @property
    def aligned(self) -> bool:
        """Say whether SPF or DKIM passed for the domain in From, or a trusted relay saw that it did."""
        return self.vouched or (self.dmarc is not None and self.dmarc.aligned)

    @property
    def failed(self) -> bool:
        """Say whether the author's domain publishes a policy that this message does not meet."""
        return self.dmarc is not None and self.dmarc.result is DmarcStatus.FAIL and not self.vouched
