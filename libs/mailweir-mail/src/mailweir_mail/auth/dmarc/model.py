"""What a domain publishes, and what came of a check."""

from dataclasses import dataclass, field
from enum import StrEnum


class DmarcStatus(StrEnum):
    """The results of RFC 7489 §11.2."""

    NONE = "none"  # the domain publishes nothing
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"  # nobody can say whose policy holds: see DmarcResult.problem


class Policy(StrEnum):
    """What a domain asks to be done with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def severity(self) -> int:
        """Return 0 to 2."""
        return list(Policy).index(self)

    @property
    def weaker(self) -> "Policy":
        """Return the next weaker one: what a message outside the sample gets (RFC 7489 §6.6.4)."""
        return list(Policy)[max(self.severity - 1, 0)]


class Alignment(StrEnum):
    """How near an authenticated domain must be to the author's."""

    RELAXED = "r"  # of one owner
    STRICT = "s"  # the same


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record (RFC 7489 §6.3). `sp` is for names below, `np` for those that do not exist; both are filled.

    `rua` and `ruf` are URIs as written. `testing` is t=y: the domain wants reports, and a weaker policy.
    """

    p: Policy
    sp: Policy
    np: Policy
    pct: int = 100
    adkim: Alignment = Alignment.RELAXED
    aspf: Alignment = Alignment.RELAXED
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: tuple[str, ...] = ("0",)
    rf: tuple[str, ...] = ("afrf",)
    ri: int = 86_400
    testing: bool = False


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """What came of a check of the author's `domain`.

    `record` was found at `policy_domain` (both empty without one); `policy` is what it asks for this domain,
    `disposition` what is left of that after the result and the sample. `aligned_spf` is the domain that SPF
    passed for, if it is aligned; `aligned_dkim` those that signed. `sampled_out`: weakened by pct. `problem`
    says why a From header has no one author.
    """

    result: DmarcStatus
    domain: str = ""
    policy_domain: str = ""
    record: DmarcRecord | None = None
    policy: Policy = Policy.NONE
    disposition: Policy = Policy.NONE
    aligned_spf: str = ""
    aligned_dkim: tuple[str, ...] = field(default=())
    sampled_out: bool = False
    problem: str = ""
    detail: str = ""

    @property
    def aligned(self) -> bool:
        """Say whether anything authenticated is aligned, whether the domain publishes a policy or not."""
        return bool(self.aligned_spf or self.aligned_dkim)
