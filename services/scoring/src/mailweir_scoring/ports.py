"""What the scoring service needs from outside; the policy comes by `mailweir_runtime.config.HasPolicy`."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from mailweir_core.outcome import Lookup
from mailweir_model.fingerprint import Fingerprint, Label
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


class FuzzyStore(Protocol):
    """Where labels of mail go, by its fingerprints; every process hears of them and looks them up."""

    async def learn(
        self, fingerprints: Iterable[Fingerprint], label: Label, weight: float = 1.0
    ) -> None:
        """Add `weight` labels to each fingerprint; raises BusUnavailable, BusFull, StoreFull."""
        ...

    async def unlearn(
        self, fingerprints: Iterable[Fingerprint], label: Label, weight: float = 1.0
    ) -> None:
        """Take `weight` labels away again, no more than there are; raises BusUnavailable, BusFull."""
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
