"""Adaptive mode: who is marked, and who is not any more."""

import asyncio
from typing import Any

import pytest

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2 as events
from mailweir.scoring.v1 import scoring_pb2
from mailweir_greylist import marks
from mailweir_greylist.marks import Marker, last_word
from mailweir_greylist.policy.keys import mark_key
from mailweir_policy import Policy, ScoringPolicy, Thresholds
from mailweir_policy.greylist import GreylistPolicy
from mailweir_runtime.bus.ports import BusUnavailable, TryLater
from mailweir_runtime.bus.topology import judged_subject
from mailweir_runtime.config import PolicySnapshot

ADAPTIVE = Policy(greylist=GreylistPolicy(adaptive=True))


def judged(sender: str, score: float | None, **session: Any) -> bytes:
    event = events.Judged(
        ref="r",
        kind=events.JUDGED_KIND_MESSAGE,
        envelope=common_pb2.Envelope(
            sender=sender, session=common_pb2.Session(**{"listener": "mx"} | session)
        ),
        verdict=None if score is None else scoring_pb2.ScoreResult(score=score),
    )
    return event.SerializeToString()


class Told:
    """A message with a payload and nothing else that matters here."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload


class Config:
    def __init__(self, policy: Policy) -> None:
        self.current = PolicySnapshot(policy, "v.1")


@pytest.fixture
def marker(world: Any) -> Marker:
    return Marker(world.bus, world.store, Config(ADAPTIVE), world.clock)


async def marked(world: Any, sender: str) -> bool:
    key = mark_key(sender)
    return (await world.store.read([key]))[key].entry is not None


async def take(marker: Marker, *payloads: bytes) -> None:
    await marker.take([Told(payload) for payload in payloads])  # type: ignore[misc]


async def test_the_last_message_counts(world: Any, marker: Marker) -> None:
    await take(marker, judged("Ann+1@x.net", 6.0), judged("bob@x.net", 5.9))
    assert await marked(world, "ann@x.net")
    assert not await marked(world, "bob@x.net")
    await take(marker, judged("ann@x.net", 7.0), judged("ann@x.net", 1.0))
    assert not await marked(world, "ann@x.net")
    await take(marker, judged("ann@x.net", 9.0))
    assert await marked(world, "ann@x.net")
    world.clock.advance(ADAPTIVE.greylist.adaptive_seconds)
    assert not await marked(world, "ann@x.net")


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xff",
        judged("", 20.0),
        judged("ann@x.net", None),
        judged("ann@x.net", 20.0, auth_user="ann"),
        judged("ann@x.net", 20.0, trusted=True),
        judged("ann@x.net", 20.0, listener="submission"),
        events.Judged(kind=events.JUDGED_KIND_SESSION).SerializeToString(),
    ],
)
def test_what_says_nothing_about_a_foreign_sender(payload: bytes) -> None:
    assert last_word(payload, ADAPTIVE) is None


@pytest.mark.parametrize(
    ("thresholds", "score", "spam"),
    [
        ({"tag": 5.0}, 5.0, True),
        ({"tag": None}, 7.9, False),
        ({"tag": None}, 8.0, True),
        ({"tag": None, "quarantine": None, "reject": None}, 99.0, False),
    ],
)
def test_spam_is_what_would_be_marked_so(
    thresholds: dict[str, Any], score: float, spam: bool
) -> None:
    policy = Policy(scoring=ScoringPolicy(thresholds=Thresholds(**thresholds)))
    assert last_word(judged("ann@x.net", score), policy) == ("ann@x.net", spam)


async def test_an_outage_gives_the_batch_back(world: Any, marker: Marker) -> None:
    world.bus.outage = BusUnavailable("away")
    with pytest.raises(TryLater):
        await take(marker, judged("ann@x.net", 20.0))


async def test_it_follows_the_stream_only_in_adaptive_mode(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "LOOK_SECONDS", 0.01)
    config = Config(Policy())
    marker = Marker(world.bus, world.store, config, world.clock)
    await world.bus.publish(judged_subject("s0", "r1"), judged("ann@x.net", 20.0))
    task = asyncio.ensure_future(marker.run())
    await asyncio.sleep(0.1)
    assert not await marked(world, "ann@x.net")
    config.current = PolicySnapshot(ADAPTIVE, "v.2")
    async with asyncio.timeout(10):
        while not await marked(world, "ann@x.net"):
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait((task,))
