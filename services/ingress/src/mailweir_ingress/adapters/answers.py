"""What the edge's services are asked in, and what they answer, made safe.

Numbers are finite, an outcome has its check's name.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from mailweir.common.v1 import common_pb2
from mailweir_core.outcome import Outcome
from mailweir_runtime.convert import outcome_from_proto
from mailweir_runtime.rpc import Batcher

Q = TypeVar("Q")
R = TypeVar("R")

MAX_ITEMS: Final = 128
IN_FLIGHT: Final = 4
"""An answer may wait for DNS or the broker; the questions that come meanwhile need not wait for it."""
PATIENCE_SECONDS: Final = 0.005
"""Most answers take less. Ten of these are a hundredth of what a phase may take."""


def batcher(send: Callable[[Sequence[Q], float], Awaitable[Sequence[R]]]) -> Batcher[Q, R]:
    """Return what puts questions to a service of the edge together."""
    return Batcher(send, max_items=MAX_ITEMS, max_in_flight=IN_FLIGHT, patience=PATIENCE_SECONDS)


def outcome_of(message: common_pb2.Outcome, check: str) -> Outcome:
    """Return the outcome of a message, under the name of who was asked."""
    outcome = outcome_from_proto(message)
    return outcome if outcome.check == check else replace(outcome, check=check)


def seconds_of(value: float) -> float:
    """Return a time that has not passed; 0 for what is no time."""
    return value if math.isfinite(value) and value > 0 else 0.0
