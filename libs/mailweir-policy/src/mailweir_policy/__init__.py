"""The policy models: what an admin decides, with defaults, units, limits and JSON schema."""

from mailweir_policy.antivirus import AntivirusPolicy, OnInfected
from mailweir_policy.campaign import BulkMode, BulkPolicy, CampaignPolicy, FuzzyPolicy
from mailweir_policy.degradation import DegradationPolicy, OnOutage
from mailweir_policy.delivery import DeliveryPolicy, RetryPolicy, Route
from mailweir_policy.document import InvalidPolicyError, Problem, dumps, loads, policy_from
from mailweir_policy.limits import MessageLimits, SessionLimits
from mailweir_policy.policy import IdentityPolicy, Policy
from mailweir_policy.quarantine import QuarantinePolicy
from mailweir_policy.relay import Callout, LocalDomain, RelayPolicy, SubmissionPolicy
from mailweir_policy.scoring import (
    HeaderPolicy,
    ScoringPolicy,
    StageFailure,
    StagePolicy,
    Thresholds,
)

__all__ = [
    "AntivirusPolicy", "BulkMode", "BulkPolicy", "Callout", "CampaignPolicy", "DegradationPolicy",
    "DeliveryPolicy", "FuzzyPolicy", "HeaderPolicy", "IdentityPolicy", "InvalidPolicyError", "LocalDomain",
    "MessageLimits", "OnInfected", "OnOutage", "Policy", "Problem", "QuarantinePolicy", "RelayPolicy",
    "RetryPolicy", "Route", "ScoringPolicy", "SessionLimits", "StageFailure", "StagePolicy",
    "SubmissionPolicy", "Thresholds", "dumps", "loads", "policy_from",
]  # fmt: skip
