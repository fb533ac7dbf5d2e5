"""Each kind is killed in its turn, and seen to come back."""

from itertools import islice
from typing import Any

import pytest

from mailweir_testkit.cluster.killing import (
    Killing,
    is_ready,
    kind_of,
    longest_gap,
    order,
    ready_by_kind,
)

COMPONENT = "app.kubernetes.io/component"


def a_pod(name: str, kind: str, *, ready: bool = True, born: int = 0, ends: bool = False) -> Any:
    """Return a pod."""
    metadata = {
        "name": name,
        "labels": {COMPONENT: kind},
        "creationTimestamp": f"2026-11-25T00:00:{born:02d}Z",
    }
    if ends:
        metadata["deletionTimestamp"] = "2026-11-25T00:01:00Z"
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": metadata, "status": {"conditions": [condition]}}


def test_pods_are_told_apart() -> None:
    assert kind_of(a_pod("a", "ingress")) == "ingress"
    assert kind_of({"metadata": {"labels": {"app": "postgres"}}}) == "postgres"
    assert kind_of({"metadata": {}}) == ""
    assert is_ready(a_pod("a", "ingress"))
    assert not is_ready(a_pod("a", "ingress", ready=False))
    assert not is_ready(a_pod("a", "ingress", ends=True))
    assert not is_ready({"metadata": {}, "status": {}})


def test_only_kinds_that_are_asked_for_count() -> None:
    pods = [a_pod("a", "ingress"), a_pod("b", "nats", ready=False), a_pod("c", "test")]
    assert ready_by_kind(pods, ("ingress", "nats")) == {"ingress": [pods[0]], "nats": []}


def test_each_kind_has_its_turn_in_each_round() -> None:
    kinds = ("a", "b", "c", "d")
    drawn = list(islice(order(kinds, 7), 12))
    assert [sorted(drawn[n : n + 4]) for n in (0, 4, 8)] == [sorted(kinds)] * 3
    assert drawn == list(islice(order(kinds, 7), 12))


class World:
    """Pods that come back after some seconds, and a clock that goes on while somebody waits."""

    def __init__(self, **back: float | None) -> None:
        self.now = 0.0
        self.back = back
        self.gone: dict[str, float | None] = {}
        self.killed: list[str] = []

    def pods(self) -> list[Any]:
        return [
            a_pod(f"{kind}-{n}", kind, ready=self._ready(f"{kind}-{n}"), born=n)
            for kind in self.back
            for n in range(2)
        ]

    def _ready(self, name: str) -> bool:
        until = self.gone.get(name, 0.0)
        return until is not None and until <= self.now

    def delete(self, name: str) -> None:
        self.killed.append(name)
        seconds = self.back[name.partition("-")[0]]
        self.gone[name] = None if seconds is None else self.now + seconds

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def killing(self) -> Killing:
        return Killing(
            self.pods, self.delete, tuple(self.back), clock=lambda: self.now, pause=self.pause
        )


def test_kills_come_at_their_time_and_are_timed() -> None:
    world = World(ingress=3.0, nats=7.0)
    kills = world.killing().run(60, 10)
    assert len(kills) == 5
    assert {kill.kind for kill in kills} == {"ingress", "nats"}
    assert [kill.at for kill in kills] == [10, 20, 30, 40, 50]
    assert {round(kill.back or 0) for kill in kills if kill.kind == "ingress"} == {3}
    assert {round(kill.back or 0) for kill in kills if kill.kind == "nats"} == {7}
    assert world.killed[0].endswith("-0")  # the oldest


def test_a_kind_that_does_not_come_back_is_seen_as_such() -> None:
    world = World(ingress=None, nats=1.0)
    kills = world.killing().run(30, 10)
    assert [kill.back for kill in kills if kill.kind == "ingress"] == [None] * sum(
        kill.kind == "ingress" for kill in kills
    )


def test_a_kind_that_is_down_is_left_alone() -> None:
    world = World(ingress=1.0)
    killing = world.killing()
    for name in ("ingress-0", "ingress-1"):
        world.delete(name)
    killing.kill("ingress")
    assert killing.kills == []


def test_what_is_not_there_cannot_be_killed() -> None:
    killing = World(ingress=1.0).killing()
    killing.kinds = ("ingress", "postgres")
    with pytest.raises(LookupError, match="postgres"):
        killing.run(10, 1)


def test_gaps() -> None:
    assert longest_gap([], 0, 5) == 5
    assert longest_gap([1, 2, 4.5, 90], 0, 5) == 2.5
    assert longest_gap([4, 1], 0, 5) == 3
