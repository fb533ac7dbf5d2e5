"""What the scoring service needs from outside; the policy comes by `mailweir_runtime.config.HasPolicy`."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from mailweir_core.outcome import Lookup
from mailweir_scoring.policy.ruleset import RuleFile

T = TypeVar("T")


class RuleSource(Protocol):
    """Where rule files come from."""

    def read(self) -> Sequence[RuleFile]:
        """Return every file, by name. Raises RulesUnreadable."""
        ...


class RulesUnreadable(Exception):
    """Raised when rule files cannot be read; the text names the file."""


class Answerer(Protocol):
    """Where the answers to one type of question come from (`mailweir_core.asking`)."""

    async def answer(self, questions: tuple[Any, ...], seconds: float) -> tuple[Any, ...]:
        """Return an answer for each question, in order, within about that time; a failure is an answer."""
        ...

    def describe(self, question: Any, answer: Any) -> Lookup | None:
        """Return what the record keeps of a question and its answer; None for what is no look-up."""
        ...


class Workers(Protocol):
    """Where work goes that would hold up the event loop for too long."""

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises.

        When the caller is cancelled, work that has begun goes on to its end and its result is dropped.
        """
        ...

    @property
    def abandoned(self) -> int:
        """Return how many pieces of work still run although nobody waits for them."""
        ...

    def close(self) -> None:
        """Take no more work."""
        ...
