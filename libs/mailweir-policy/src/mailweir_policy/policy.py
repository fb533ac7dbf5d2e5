"""The policy document: one immutable value that every service runs by."""

from typing import Literal

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.degradation import DegradationPolicy
from mailweir_policy.delivery import DeliveryPolicy
from mailweir_policy.edge import EdgePolicy
from mailweir_policy.greylist import GreylistPolicy
from mailweir_policy.limits import MessageLimits, SessionLimits
from mailweir_policy.quarantine import QuarantinePolicy
from mailweir_policy.ratelimit import RatelimitPolicy
from mailweir_policy.relay import RelayPolicy, SubmissionPolicy
from mailweir_policy.reputation import ReputationPolicy
from mailweir_policy.scoring import ScoringPolicy
from mailweir_policy.signing import SigningPolicy


class IdentityPolicy(PolicyModel):
    """How the gateway calls itself."""

    hostname: str = Field("mailweir.example.com", pattern=r"^[A-Za-z0-9.-]{1,253}$")
    """In the banner, EHLO, Received and Authentication-Results."""
    postmaster: str = Field("postmaster@example.com", pattern=r"^[^@\s]{1,64}@[^@\s]{1,253}$")
    """Whom bounces name as contact."""


class Policy(PolicyModel):
    """Everything an admin decides. Process settings (ports, URLs) are not here but in the environment."""

    format: Literal[1] = 1
    """Version of the document's form."""
    identity: IdentityPolicy = IdentityPolicy()
    session: SessionLimits = SessionLimits()
    message: MessageLimits = MessageLimits()
    relay: RelayPolicy = RelayPolicy()
    submission: SubmissionPolicy = SubmissionPolicy()
    edge: EdgePolicy = EdgePolicy()
    reputation: ReputationPolicy = ReputationPolicy()
    greylist: GreylistPolicy = GreylistPolicy()
    ratelimit: RatelimitPolicy = RatelimitPolicy()
    signing: SigningPolicy = SigningPolicy()
    scoring: ScoringPolicy = ScoringPolicy()
    delivery: DeliveryPolicy = DeliveryPolicy()
    quarantine: QuarantinePolicy = QuarantinePolicy()
    degradation: DegradationPolicy = DegradationPolicy()
