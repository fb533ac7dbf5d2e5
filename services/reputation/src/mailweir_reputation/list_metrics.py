"""What is counted of DNS lists, each under its name in the policy and never under its zone."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge

from mailweir_policy.answers import ListStatus
from mailweir_reputation.policy.lists.health import ZoneState


@dataclass(frozen=True, slots=True)
class ListMetrics:
    """The metrics; series come and go with the lists of the policy."""

    answers: Counter
    state: Gauge
    changes: Counter
    put_off: Counter
    cut_short: Counter
    by_answer: dict[tuple[str, ListStatus], Counter] = field(default_factory=dict)
    """Of `answers`: looking a series up through the client library costs more than counting."""
    _known: set[str] = field(default_factory=set)

    def follow(self, names: Iterable[str]) -> None:
        """Have every series of these lists, at zero from the start, and none of another."""
        wanted = set(names)
        for name in self._known - wanted:
            for status in ListStatus:
                self.answers.remove(name, status)
                self.by_answer.pop((name, status), None)
            for state in ZoneState:
                self.state.remove(name, state)
                self.changes.remove(name, state)
        for name in wanted - self._known:
            for status in ListStatus:
                self.by_answer[name, status] = self.answers.labels(name, status)
            for state in ZoneState:
                self.state.labels(name, state)
                self.changes.labels(name, state)
        self._known.clear()
        self._known.update(wanted)

    def answered(self, name: str, status: ListStatus) -> None:
        """Count an answer of a list; one that is no longer followed is not counted."""
        series = self.by_answer.get((name, status))
        if series is not None:
            series.inc()

    def in_state(self, name: str, now: ZoneState) -> None:
        """Show a list in its state."""
        if name in self._known:
            for state in ZoneState:
                self.state.labels(name, state).set(state is now)


def declare_lists(registry: CollectorRegistry) -> ListMetrics:
    """Declare them on a registry."""
    return ListMetrics(
        answers=Counter(
            "mailweir_reputation_list_answers",
            "Questions to DNS lists, by list and by what came of them.",
            ["list", "status"],
            registry=registry,
        ),
        state=Gauge(
            "mailweir_reputation_list_state",
            "1 for the state that a DNS list is in; the log says what to do about one that is muted or dead.",
            ["list", "state"],
            registry=registry,
        ),
        changes=Counter(
            "mailweir_reputation_list_changes",
            "How often a DNS list got into a state.",
            ["list", "state"],
            registry=registry,
        ),
        put_off=Counter(
            "mailweir_reputation_listed_put_off",
            "Listed clients that were put off in place of refused, since a list was not proved to be well.",
            registry=registry,
        ),
        cut_short=Counter(
            "mailweir_reputation_list_rounds_cut_short",
            "Clients that were decided on before every list had answered.",
            registry=registry,
        ),
    )
