"""How a list fares, by a time that is moved by hand."""

import pytest
from hypothesis import given, strategies as st

from mailweir_policy.answers import LISTS_ALL, OWN_RESOLVER, ListAnswer, ListStatus
from mailweir_policy.lists import ListCheck, ListKind
from mailweir_policy.reputation import EdgeZone, ListHealthPolicy
from mailweir_reputation.policy.lists.canaries import LISTED, UNLISTED, family_of, stranger_of
from mailweir_reputation.policy.lists.health import (
    NO_ANSWER,
    NO_KEY,
    NO_TEST_ENTRY,
    Change,
    Probe,
    Watch,
    ZoneState,
)
from mailweir_reputation.policy.lists.window import MOST_CLIENTS, Window

ZONE = EdgeZone(
    name="bl",
    zone="bl.example",
    kinds=frozenset({ListKind.IP4}),
    checks=frozenset({ListCheck.CLIENT}),
)
HIT = ListAnswer(ListStatus.LISTED, ("127.0.0.2",))
CLEAR = ListAnswer(ListStatus.CLEAR)
FAILED = ListAnswer(ListStatus.FAILED)
REFUSED = ListAnswer(ListStatus.REFUSED, ("127.255.255.254",), OWN_RESOLVER)
GOOD = Probe(CLEAR, HIT, CLEAR)
LIGHT = Probe(CLEAR, light=True)
SILENT = Probe(FAILED, FAILED, FAILED)
WORLD = Probe(HIT, HIT, HIT)


def watch(zone: EdgeZone = ZONE, **policy: float) -> Watch:
    return Watch(zone, ListHealthPolicy.model_validate(policy))


def healthy(now: float = 100.0, **policy: float) -> Watch:
    made = watch(**policy)
    made.probed(GOOD, now, now)
    return made


def test_a_list_is_asked_from_the_start_but_not_believed_alone() -> None:
    new = watch()
    assert (new.state, new.asked) == (ZoneState.PROBING, True)
    new.note("a", HIT, 10.0)
    assert not new.confirmed("a")
    change = new.probed(GOOD, 10.0, 10.1)
    assert change == Change(ZONE, ZoneState.PROBING, ZoneState.HEALTHY)
    assert new.confirmed("a")


def test_a_listing_is_confirmed_by_a_probe_that_began_after_it() -> None:
    one = healthy(100.0)
    one.note("a", HIT, 105.0)
    one.probed(GOOD, 104.9, 105.1)
    assert not one.confirmed("a")
    one.probed(LIGHT, 105.2, 105.3)
    assert one.confirmed("a")
    one.note("a", HIT, 200.0)  # it was listed then and is now
    assert one.confirmed("a")
    assert not one.confirmed("b")


@pytest.mark.parametrize(
    ("probe", "remedy"),
    [
        (WORLD, LISTS_ALL),
        (Probe(HIT, HIT, CLEAR), LISTS_ALL),  # the old answer was kept by a resolver
        (Probe(HIT, light=True), LISTS_ALL),
        (Probe(CLEAR, CLEAR, CLEAR), NO_TEST_ENTRY),
        (Probe(CLEAR, REFUSED, CLEAR), OWN_RESOLVER),
        (Probe(CLEAR, HIT, CLEAR, (HIT, HIT, CLEAR)), LISTS_ALL),
        (Probe(CLEAR, HIT, CLEAR, (HIT, CLEAR, CLEAR)), ""),
        (Probe(CLEAR, HIT, CLEAR, (HIT,)), ""),
        (Probe(CLEAR), ""),  # a list without test entries
    ],
)
def test_what_a_probe_finds_out(probe: Probe, remedy: str) -> None:
    one = healthy()
    change = one.probed(probe, 200.0, 200.1)
    if remedy:
        assert change is not None
        assert (change.state, change.remedy, change.seconds) == (ZoneState.MUTED, remedy, 300.0)
        assert not one.asked
    else:
        assert change is None
        assert one.asked


def test_a_refusal_to_anybody_mutes_at_once_and_once() -> None:
    one = healthy()
    change = one.note("a", REFUSED, 150.0)
    assert change is not None
    assert (change.remedy, one.muted_until, one.due_at) == (OWN_RESOLVER, 450.0, 450.0)
    assert one.note("b", REFUSED, 150.0) is None
    assert one.probed(WORLD, 149.0, 151.0) is None  # it was under way
    assert one.muted_until == 450.0


def test_mutes_double_up_to_the_longest_and_are_forgotten_after_a_good_while() -> None:
    one, now, seconds = healthy(), 1000.0, list[float]()
    for _ in range(6):
        change = one.probed(WORLD, now, now)
        assert change is not None
        seconds.append(change.seconds)
        now = one.due_at
    assert seconds == [300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0]
    healed = one.probed(GOOD, now, now)
    assert healed == Change(ZONE, ZoneState.MUTED, ZoneState.HEALTHY)
    again = one.note("a", REFUSED, now + 10)
    assert again is not None
    assert again.seconds == 3600.0
    one.probed(GOOD, one.due_at, one.due_at)
    later = one.due_at + 4000
    one.probed(GOOD, later, later)
    fresh = one.note("a", REFUSED, later + 1)
    assert fresh is not None
    assert fresh.seconds == 300.0


def test_a_list_dies_after_some_probes_without_an_answer() -> None:
    one = healthy(probe_seconds=60.0, dead_after=2)
    assert one.probed(SILENT, 200.0, 201.0) is None
    assert one.asked
    change = one.probed(SILENT, 207.0, 208.0)
    assert change == Change(ZONE, ZoneState.HEALTHY, ZoneState.DEAD, NO_ANSWER)
    waits = list[float]()
    for _ in range(8):
        waits.append(one.due_at - one.probed_at)
        assert one.probed(SILENT, one.due_at, one.due_at) is None
    assert waits == [6.0, 12.0, 24.0, 48.0, 96.0, 192.0, 384.0, 480.0]
    assert one.probed(GOOD, 9000.0, 9000.0) == Change(ZONE, ZoneState.DEAD, ZoneState.HEALTHY)
    assert one.remedy == ""


def test_a_muted_list_that_falls_silent_is_dead_and_not_asked() -> None:
    one = healthy()
    one.note("a", REFUSED, 150.0)
    one.probed(SILENT, 450.0, 451.0)
    assert one.state is ZoneState.MUTED
    one.probed(SILENT, one.due_at, one.due_at)
    assert (one.state, one.asked) == (ZoneState.DEAD, False)


def test_a_healthy_list_is_probed_more_and_more_rarely() -> None:
    one, waits = watch(probe_seconds=60.0, slowest_factor=30.0), list[float]()
    now = 0.0
    for _ in range(11):
        one.probed(GOOD, now, now)
        waits.append(round(one.due_at - now, 1))
        now = one.due_at
    assert waits == [6, 12, 24, 48, 96, 192, 384, 768, 1536, 1800, 1800]


@pytest.mark.parametrize("answer", [HIT, FAILED])
def test_one_that_lists_or_fails_is_looked_at_within_half_a_minute(answer: ListAnswer) -> None:
    one = healthy(1000.0)
    one.due_at = 5000.0
    one.note("a", answer, 1010.0)
    assert one.due_at == 1030.0
    one.note("b", answer, 1100.0)
    assert one.due_at == 1030.0
    two = healthy(1000.0)
    two.due_at = 5000.0
    two.note("a", answer, 1100.0)
    assert two.due_at == 1100.0
    two.note("b", CLEAR, 1100.0)
    assert two.due_at == 1100.0


def test_a_light_probe_that_failed_has_a_full_one_follow() -> None:
    one = healthy(100.0)
    one.due_at = 900.0
    assert one.probed(Probe(FAILED, light=True), 200.0, 201.0) is None
    assert (one.due_at, one.good_at, one.state) == (201.0, 100.0, ZoneState.HEALTHY)


def test_a_share_that_has_risen_makes_a_list_odd() -> None:
    one = healthy(0.0, drift_window_seconds=60.0, drift_queries=20)
    for n in range(30):
        one.note(f"old{n}", CLEAR if n % 10 else HIT, float(n))
    assert not one.odd
    for n in range(30):
        one.note(f"new{n}", HIT, 100.0 + n)
    assert one.window.usual == pytest.approx(0.1)
    assert one.odd
    one.probed(GOOD, 131.0, 131.0)
    assert not one.confirmed("new1")
    assert "more than usual" in one.remedy
    assert len(one.witnesses(131.0)) == 3
    assert all(name.startswith("old") for name in one.witnesses(131.0))


def test_a_list_that_always_listed_much_is_not_odd() -> None:
    one = healthy(0.0)
    for n in range(100):
        one.note(f"a{n}", HIT if n % 2 else CLEAR, n * 2.0)
    assert one.window.usual == pytest.approx(0.5, abs=0.05)
    for n in range(50):
        one.note(f"b{n}", HIT, 200.0 + n)
    assert not one.odd


def test_without_key_or_switched_off_it_is_not_asked() -> None:
    keyless = Watch(ZONE, ListHealthPolicy(), usable=False)
    assert (keyless.state, keyless.remedy) == (ZoneState.OFF, NO_KEY)
    off = watch(ZONE.model_copy(update={"terms_accepted": False}))
    assert (off.state, off.remedy) == (ZoneState.OFF, "")
    assert off.probed(WORLD, 1.0, 1.0) is None


def test_a_window_forgets_what_is_old_and_counts_each_once() -> None:
    window = Window(60.0)
    for n in range(5):
        window.note("same", float(n), listed=True)
    assert (len(window), window.share) == (1, 1.0)
    window.note("same", 5.0, listed=False)
    assert (len(window), window.share) == (1, 0.0)
    window.note("other", 70.0, listed=True)
    assert (len(window), window.share) == (1, 1.0)
    for seconds in (0.1, 0.3, 0.2):
        window.took(seconds)
    assert window.median_seconds == 0.2


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 50), st.booleans())))
def test_a_window_counts_right(answers: list[tuple[int, float, bool]]) -> None:
    window, now, last = Window(60.0), 0.0, dict[str, tuple[float, bool]]()
    for number, step, listed in answers:
        now += step
        window.note(f"s{number}", now, listed=listed)
        last[f"s{number}"] = (now, listed)
        alive = [hit for at, hit in last.values() if at > now - 60.0]
        assert (len(window), window.listed) == (len(alive), sum(alive))
        assert 0.0 <= window.usual <= 1.0


def test_a_window_is_bounded() -> None:
    window = Window(1e9)
    for n in range(MOST_CLIENTS + 100):
        window.note(str(n), 1.0, listed=True)
    assert len(window) == MOST_CLIENTS


def test_a_list_is_tested_by_its_first_kind() -> None:
    assert LISTED[ListKind.IP4] == "2.0.0.127"
    six = LISTED[ListKind.IP6].split(".")
    assert "".join(reversed(six)) == "00000000000000000000ffff7f000002"
    assert "".join(reversed(UNLISTED[ListKind.IP6].split("."))).endswith("7f000001")
    both = ZONE.model_copy(update={"kinds": frozenset({ListKind.DOMAIN, ListKind.IP6})})
    assert family_of(both) is ListKind.IP6


@given(st.binary(min_size=8, max_size=8))
def test_a_stranger_is_nobody(chance: bytes) -> None:
    octets = stranger_of(ListKind.IP4, chance).split(".")
    assert octets[3] == "127"
    assert 1 <= int(octets[2]) <= 254
    assert all(0 <= int(octet) <= 255 for octet in octets)
    assert len(stranger_of(ListKind.IP6, chance).split(".")) == 32
    assert stranger_of(ListKind.DOMAIN, chance).endswith(".invalid")
    assert len(stranger_of(ListKind.HASH, chance)) == 40
