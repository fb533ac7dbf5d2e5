"""What the edge's services answer, made safe: numbers are finite, an outcome has its check's name."""

import math
from dataclasses import replace

from mailweir.common.v1 import common_pb2
from mailweir_core.outcome import Outcome
from mailweir_runtime.convert import outcome_from_proto


def outcome_of(message: common_pb2.Outcome, check: str) -> Outcome:
    """Return the outcome of a message, under the name of who was asked."""
    outcome = outcome_from_proto(message)
    return outcome if outcome.check == check else replace(outcome, check=check)


def seconds_of(value: float) -> float:
    """Return a time that has not passed; 0 for what is no time."""
    return value if math.isfinite(value) and value > 0 else 0.0
