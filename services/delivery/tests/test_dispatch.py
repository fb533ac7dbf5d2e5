"""One message to one destination: hosts in order, further transactions, lanes."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_delivery.adapters.memory import MemoryLate, MemoryMailHosts
from mailweir_delivery.dispatch import Dispatcher, Outside, way_of
from mailweir_delivery.lanes import Lanes, PutBack
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.mx import Exchanger, Exchangers, LookupFailed
from mailweir_delivery.policy.replies import (
    Ending,
    RemoteReply,
    Stage,
    Verdict,
    broken,
    judge,
)
from mailweir_delivery.policy.routing import Destination, FixedHops, Kind, MxOf, hop_from
from mailweir_delivery.ports import Leg, Parcel
from mailweir_policy import Policy

A, B, C = "a@far.example", "b@far.example", "c@far.example"
PARCEL = Parcel("ref", 0, "s@example.org", b"x\r\n", 0.0)
HOPS = FixedHops((hop_from("smtp://one"), hop_from("smtp://two"), hop_from("lmtp://three")))

Script = Callable[[str, Sequence[str]], Mapping[str, Ending]]


def said(text: str, stage: Stage = Stage.DOT, host: str = "one") -> Ending:
    return judge(RemoteReply(int(text[:3]), (text[4:],)), stage, f"{host}:25")


TAKEN = said("250 2.0.0 ok")


class ScriptedCarrier:
    """Answers by a function of host and recipients."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls: list[tuple[str, tuple[str, ...]]] = []

    async def deliver(
        self, parcel: Parcel, recipients: Sequence[str], leg: Leg
    ) -> Mapping[str, Ending]:
        host = leg.hop.address or leg.hop.host
        self.calls.append((host, tuple(recipients)))
        return self.script(host, recipients)


class Rig:
    """A dispatcher over a scripted carrier."""

    def __init__(self, script: Script, **delivery: object) -> None:
        self.carrier = ScriptedCarrier(script)
        self.hosts: dict[str, Exchangers | LookupFailed] = {}
        self.late = MemoryLate()
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, self.clock)
        outside = Outside(
            dict.fromkeys(Kind, self.carrier), MemoryMailHosts(self.hosts), self.late, metrics
        )
        self.dispatcher = Dispatcher(outside, Lanes(self.clock), self.clock)
        self.policy = Policy.model_validate({"delivery": delivery})

    async def send(
        self, *recipients: str, to: Destination = HOPS
    ) -> Mapping[str, Ending] | PutBack:
        return await self.dispatcher.deliver(PARCEL, recipients or (A,), to, self.policy)

    async def endings(self, *recipients: str, to: Destination = HOPS) -> Mapping[str, Ending]:
        found = await self.send(*recipients, to=to)
        assert not isinstance(found, PutBack)
        return found

    def value(self, name: str) -> float:
        found = self.registry.get_sample_value(f"mailweir_delivery_{name}")
        assert found is not None
        return found


async def test_the_first_host_that_takes_it_is_the_last_one_asked() -> None:
    rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN))
    assert await rig.endings(A, B) == {A: TAKEN, B: TAKEN}
    assert rig.carrier.calls == [("one", (A, B))]


async def test_the_next_host_is_asked_for_whom_it_may_help() -> None:
    def script(host: str, people: Sequence[str]) -> Mapping[str, Ending]:
        if host == "one":
            return {
                A: TAKEN,
                B: said("550 5.1.1 unknown", Stage.RCPT),
                C: said("451 4.3.0 later", Stage.RCPT),
            }
        return dict.fromkeys(people, TAKEN)

    rig = Rig(script)
    endings = await rig.endings(A, B, C)
    assert [endings[p].verdict for p in (A, B, C)] == [
        Verdict.DELIVERED, Verdict.FAILED, Verdict.DELIVERED,
    ]  # fmt: skip
    assert rig.carrier.calls == [("one", (A, B, C)), ("two", (C,))]


async def test_an_unknown_outcome_is_not_tried_elsewhere_and_is_counted() -> None:
    rig = Rig(lambda host, people: dict.fromkeys(people, broken(Stage.DOT, "reset", host)))
    endings = await rig.endings(A, B)
    assert endings[A].unknown
    assert len(rig.carrier.calls) == 1
    assert rig.value("unknown_outcomes_total") == 1


async def test_one_attempt_asks_so_many_hosts() -> None:
    rig = Rig(
        lambda host, people: dict.fromkeys(people, broken(Stage.CONNECT, "refused", host)),
        hosts_per_attempt=2,
    )
    endings = await rig.endings()
    assert [host for host, _ in rig.carrier.calls] == ["one", "two"]
    assert endings[A].next_hop == "two"


async def test_recipients_that_a_transaction_has_no_room_for_get_another() -> None:
    def script(_: str, people: Sequence[str]) -> Mapping[str, Ending]:
        over = said("452 4.5.3 too many", Stage.RCPT)
        return {r: TAKEN if n < 2 else over for n, r in enumerate(people)}

    rig = Rig(script)
    people = tuple(f"r{n}@far.example" for n in range(5))
    endings = await rig.endings(*people)
    assert {e.verdict for e in endings.values()} == {Verdict.DELIVERED}
    assert [len(p) for _, p in rig.carrier.calls] == [5, 3, 1]


async def test_a_host_that_has_room_for_nobody_is_left() -> None:
    over = said("452 4.3.1 disk full", Stage.RCPT)
    rig = Rig(lambda host, people: dict.fromkeys(people, over if host == "one" else TAKEN))
    assert (await rig.endings())[A] == TAKEN
    assert [host for host, _ in rig.carrier.calls] == ["one", "two"]


async def test_many_recipients_are_split_as_the_policy_says() -> None:
    rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN), recipients_per_transaction=2)
    endings = await rig.endings(A, B, C)
    assert list(endings) == [A, B, C]
    assert rig.carrier.calls == [("one", (A, B)), ("one", (C,))]


async def test_a_fault_in_the_first_transaction_ends_it_for_the_others() -> None:
    def script(host: str, people: Sequence[str]) -> Mapping[str, Ending]:
        unknown = broken(Stage.DOT, "reset", host)
        return dict.fromkeys(people, unknown if host == "one" else TAKEN)

    rig = Rig(script, recipients_per_transaction=2)
    endings = await rig.endings(A, B, C)
    assert endings[A].unknown
    assert endings[C] == TAKEN  # it had not been sent: another host may have it
    assert rig.carrier.calls == [("one", (A, B)), ("two", (C,))]


async def test_a_delivered_neighbour_lends_his_success_to_nobody() -> None:
    """LMTP: some were answered, then the connection broke; further recipients were not even sent."""

    def script(host: str, people: Sequence[str]) -> Mapping[str, Ending]:
        if host != "one":
            return dict.fromkeys(people, broken(Stage.CONNECT, "refused", host))
        return {A: broken(Stage.DOT, "reset", host), B: TAKEN}

    rig = Rig(script, recipients_per_transaction=2)
    endings = await rig.endings(A, B, C)
    assert endings[B].verdict is Verdict.DELIVERED
    assert endings[C].verdict is Verdict.DEFERRED
    assert not endings[C].unknown


async def test_after_some_faults_a_destination_is_left_alone_for_a_while() -> None:
    rig = Rig(lambda host, people: dict.fromkeys(people, broken(Stage.CONNECT, "refused", host)))
    for _ in range(3):
        await rig.endings()
    calls = len(rig.carrier.calls)
    ending = (await rig.endings())[A]
    assert ending.verdict is Verdict.DEFERRED
    assert ending.reply == "left alone for a while since: connection lost at connect: refused"
    assert len(rig.carrier.calls) == calls
    assert rig.value("suspensions_total") == 1
    assert rig.value("left_alone_recipients_total") == 1
    await rig.endings(to=MxOf("other.example"))  # another destination is another matter
    rig.clock.advance(61)
    await rig.endings()
    assert len(rig.carrier.calls) > calls


async def test_a_refused_message_is_no_fault_of_the_host() -> None:
    rig = Rig(lambda _, people: dict.fromkeys(people, said("550 5.7.1 spam")))
    for _ in range(10):
        await rig.endings()
    assert rig.value("suspensions_total") == 0


async def test_a_failing_carrier_gives_its_place_back() -> None:
    def script(_: str, __: Sequence[str]) -> Mapping[str, Ending]:
        raise RuntimeError("a bug")

    rig = Rig(script)
    for _ in range(20):
        with pytest.raises(RuntimeError):
            await rig.send()


class TestMx:
    """Destinations that are looked up."""

    async def test_exchangers_in_order(self) -> None:
        rig = Rig(lambda host, people: dict.fromkeys(people, broken(Stage.CONNECT, "x", host)))
        rig.hosts["far.example"] = Exchangers(
            (Exchanger(20, "b", ("127.0.0.2",)), Exchanger(10, "a", ("127.0.0.1", "::1")))
        )
        await rig.endings(to=MxOf("far.example"))
        assert [host for host, _ in rig.carrier.calls] == ["127.0.0.1", "::1", "127.0.0.2"]

    async def test_our_own_name_among_them(self) -> None:
        rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN))
        rig.hosts["far.example"] = Exchangers(
            (Exchanger(10, rig.policy.identity.hostname, ("127.0.0.1",)),)
        )
        ending = (await rig.endings(to=MxOf("far.example")))[A]
        assert (ending.verdict, ending.enhanced) == (Verdict.FAILED, "5.4.6")
        assert rig.carrier.calls == []

    async def test_no_such_domain(self) -> None:
        rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN))
        ending = (await rig.endings(to=MxOf("far.example")))[A]
        assert (ending.verdict, ending.enhanced) == (Verdict.FAILED, "5.1.2")

    async def test_a_silent_dns_defers_and_is_no_fault_of_the_host(self) -> None:
        rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN))
        rig.hosts["far.example"] = LookupFailed("no answer in time")
        for _ in range(5):
            ending = (await rig.endings(to=MxOf("far.example")))[A]
            assert (ending.verdict, ending.enhanced) == (Verdict.DEFERRED, "4.4.3")

    async def test_a_domain_literal_is_its_own_host(self) -> None:
        rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN))
        await rig.endings(to=MxOf("[127.0.0.9]"))
        assert rig.carrier.calls == [("127.0.0.9", (A,))]


async def test_late_answers_come_first() -> None:
    rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN))
    late = said("250 2.0.0 late", host="two")
    rig.late.known[("ref", 0)] = {A: late, "stranger@x": late}
    assert await rig.endings(A, B) == {A: late, B: TAKEN}
    assert rig.carrier.calls == [("one", (B,))]


async def test_stopping() -> None:
    rig = Rig(lambda _, people: dict.fromkeys(people, TAKEN))
    rig.dispatcher.stop()
    assert await rig.send() == PutBack(0.0, "stopping")
    rig.late.known[("ref", 0)] = {A: TAKEN}
    assert await rig.endings(A, B) == {A: TAKEN}


def test_ways() -> None:
    assert way_of(HOPS) == "smtp"
    assert way_of(FixedHops((hop_from("maildir:///x"),))) == "maildir"
    assert way_of(MxOf("x")) == "mx"
