"""Lists as they are in the world, asked over real DNS on loopback: good, refusing, dead, lying, slow."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from mailweir_core.outcome import Advice, Status
from mailweir_core.reasons import Reason
from mailweir_policy.answers import LISTS_ALL, OWN_RESOLVER, REWRITTEN
from mailweir_reputation.convert import result_to_proto, zone_to_proto
from mailweir_reputation.policy.lists.health import NO_ANSWER, NO_TEST_ENTRY, ZoneState
from mailweir_testkit.dnslists import Acting, DnsList

pytestmark = pytest.mark.integration

CLIENT = "203.0.113.7"
KEY = "s3cretkey"


def listing(*entries: str, **more: Any) -> DnsList:
    made = DnsList(**more)
    for entry in entries:
        made.add(entry)
    return made


async def test_two_providers_that_agree_refuse_and_close(make: Any) -> None:
    policy = make.policy(make.zone("one", display="List One"), make.zone("two", score=2.5))
    lists = {"one": listing(CLIENT), "two": listing(CLIENT)}
    async with make.world(policy, lists) as world:
        result = await world.connect()
        assert (result.outcome.advice, result.outcome.reason) == (Advice.CLOSE, Reason.LISTED)
        assert result.outcome.detail == "List One, two"
        assert [(s.name, s.score) for s in result.outcome.signals] == [
            ("NO_PTR", 1.0), ("LIST_ONE", 4.0), ("LIST_TWO", 2.5),
        ]  # fmt: skip
        assert 59.0 < result.valid_seconds <= 60.0
        other = await world.connect("203.0.113.8")
        assert (other.outcome.status, other.outcome.advice) == (Status.HIT, Advice.NONE)
        assert other.outcome.signals[0].name == "NO_PTR"


@pytest.mark.parametrize(
    ("zones", "advice"),
    [
        ([("one", {"score": 9.0})], Advice.NONE),  # one opinion is not enough
        ([("one", {"score": 9.0, "policy_list": True})], Advice.CLOSE),
        ([("one", {"score": 4.0, "policy_list": True})], Advice.NONE),  # too little
        ([("one", {"score": 4.0, "provider": "p"}), ("two", {"score": 4.0, "provider": "p"})], Advice.NONE),
        ([("one", {"score": 4.0, "provider": "p"}), ("two", {"score": 4.0, "provider": "q"})], Advice.CLOSE),
    ],
)  # fmt: skip
async def test_when_lists_refuse(
    make: Any, zones: list[tuple[str, dict[str, Any]]], advice: Advice
) -> None:
    policy = make.policy(*(make.zone(name, **more) for name, more in zones))
    async with make.world(policy, {name: listing(CLIENT) for name, _ in zones}) as world:
        result = await world.connect()
        assert result.outcome.advice is advice


@pytest.mark.parametrize(
    ("remedy", "advice", "suspicion", "signals"),
    [
        ("off", Advice.NONE, 1.0, 0),
        ("score", Advice.NONE, 10.0, 1),
        ("greylist", Advice.NONE, 10.0, 1),
        ("reject", Advice.REJECT, 10.0, 1),
        ("close", Advice.CLOSE, 10.0, 1),
    ],
)
async def test_the_policy_says_what_follows(
    make: Any, remedy: str, advice: Advice, suspicion: float, signals: int
) -> None:
    policy = make.policy(make.zone("one", score=9.0, policy_list=True), edge={"listed": remedy})
    async with make.world(policy, {"one": listing(CLIENT)}) as world:
        result = await world.connect()
        listed = [s for s in result.outcome.signals if s.name == "LIST_ONE"]
        assert (result.outcome.advice, len(listed)) == (advice, signals)
        assert result.client.suspicion == pytest.approx(suspicion)  # 1 of it for want of a name


async def test_an_allow_list_spares_and_outweighs(make: Any) -> None:
    policy = make.policy(make.zone("bl", score=8.0, policy_list=True), make.zone("wl", score=-4.0))
    lists = {"bl": listing(CLIENT), "wl": listing(CLIENT, "203.0.113.8")}
    async with make.world(policy, lists) as world:
        both = await world.connect()
        assert both.outcome.advice is Advice.NONE
        assert not both.client.known
        good = await world.connect("203.0.113.8")
        assert good.client.known


async def test_codes_of_an_answer_have_scores_of_their_own(make: Any) -> None:
    codes = [
        {"codes": "127.0.0.2-3", "name": "sbl", "score": 4.0},
        {"codes": "127.0.0.10", "name": "pbl", "score": 1.5},
    ]
    bl = DnsList()
    bl.add(CLIENT, ("127.0.0.3", "127.0.0.10"))
    bl.add("203.0.113.8", ("127.0.0.99",))
    async with make.world(make.policy(make.zone("zen", codes=codes)), {"zen": bl}) as world:
        named = await world.connect()
        scores = {s.name: s.score for s in named.outcome.signals if s.group == "lists"}
        assert scores == {"LIST_ZEN_SBL": 4.0, "LIST_ZEN_PBL": 0.0}  # one list, one opinion
        other = await world.connect("203.0.113.8")
        assert [s.name for s in other.outcome.signals] == ["NO_PTR"]


async def test_ip6_domains_and_hashes_are_asked_about(make: Any) -> None:
    policy = make.policy(
        make.zone("six", kinds=["ip6"]),
        make.zone("dom", kinds=["domain"], checks=["helo", "from"]),
        make.zone("hash", kinds=["hash"], checks=["from"], test_entries=False),
    )
    lists = {"six": listing("2001:db8::7"), "dom": listing("bad.example"), "hash": DnsList()}
    lists["hash"].add("b6fb8e94a8a7a7f0fcd1ae0b1f0ae1e4b8b5ed50")
    async with make.world(policy, lists) as world:
        six = await world.connect("2001:db8::7")
        assert "LIST_SIX" in {s.name for s in six.outcome.signals}
        assert (await world.connect()).outcome.signals[0].name == "NO_PTR"
        sent = await world.mail("ann@mail.bad.example", helo="mx.good.example")
        found = [s for s in sent.outcome.signals if s.name == "LIST_DOM"]
        assert [s.evidence for s in found] == ["bad.example"]
        assert lists["dom"].asked("good.example") == 1
        digests = [q for q in lists["hash"].questions if not q.endswith("0" * 20)]
        assert [len(q) for q in digests] == [40]


@pytest.mark.parametrize("ip", ["10.0.0.1", "127.0.0.1", "::1", "fe80::1", "192.168.1.1", "junk"])
async def test_inner_addresses_are_nobodys_business(make: Any, ip: str) -> None:
    bl = DnsList(acting=Acting.WORLD)
    async with make.world(make.policy(make.zone("one", test_entries=False)), {"one": bl}) as world:
        result = await world.connect(ip)
        assert result.outcome.status in (Status.OK, Status.SKIPPED)
        assert result.outcome.lookups == ()


async def test_our_own_users_networks_and_proxies_are_spared(make: Any) -> None:
    policy = make.policy(make.zone("one", policy_list=True, score=9.0))
    policy = policy.model_copy(
        update={"relay": policy.relay.model_copy(update={"proxy_networks": ("203.0.113.8/32",)})}
    )
    lists = {"one": listing(CLIENT, "203.0.113.8")}
    async with make.world(policy, lists) as world:
        for session in ({"auth_user": "ann"}, {"trusted": True}, {"ip": "203.0.113.8"}):
            result = await world.connect(**session)
            assert result.outcome.status is Status.SKIPPED
        assert lists["one"].asked(CLIENT) == 0


# -- what lists do wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("acting", "remedy"),
    [
        (Acting.REFUSING, OWN_RESOLVER),
        (Acting.REWRITTEN, REWRITTEN),
        (Acting.WORLD, LISTS_ALL),
        (Acting.EMPTY, NO_TEST_ENTRY),
    ],
)
async def test_a_list_that_lies_or_does_not_serve_us_is_muted_with_the_remedy(
    make: Any, acting: Acting, remedy: str
) -> None:
    policy = make.policy(make.zone("one", policy_list=True, score=9.0, display="The list"))
    one = DnsList(acting=acting)
    with capture_logs() as logs:
        async with make.world(policy, {"one": one}) as world:
            result = await world.connect()
            assert result.outcome.advice is Advice.NONE
            assert not any(s.name == "LIST_ONE" for s in result.outcome.signals)
            await world.until_state("one", ZoneState.MUTED)
            shown = zone_to_proto(world.watch("one"), 0.0)
            assert (shown.state, shown.title, shown.remedy) == ("muted", "The list", remedy)
            assert shown.muted_until > 0
            before = one.asked("203.0.113.9")
            muted = await world.connect("203.0.113.9")
            assert one.asked("203.0.113.9") == before == 0
            assert muted.outcome.advice is Advice.NONE
            assert world.metric("list_state", list="one", state="muted") == 1.0
    told = [log for log in logs if log["event"] == "list_muted"]
    assert [(log["list"], log["remedy"], log["seconds"]) for log in told] == [
        ("The list", remedy, 300.0)
    ]


@pytest.mark.parametrize(
    ("refusal", "origin"),
    [
        ("127.255.255.252", "one"),
        ("127.255.255.255", "one"),
        ("127.0.0.1", "multi.uribl.com"),
        ("127.0.0.3", "multi.surbl.org"),
        ("127.0.0.255", "list.dnswl.org"),
        ("127.0.10.4", "list.dnswl.org"),
    ],
)
async def test_each_provider_refuses_in_its_own_way(make: Any, refusal: str, origin: str) -> None:
    zone = make.zone("one", policy_list=True, score=9.0)
    if origin != "one":
        zone = zone.model_copy(update={"zone": origin})
    one = DnsList(acting=Acting.REFUSING, refusal=refusal)
    async with make.world(make.policy(zone)) as world:
        world.dns.listing(zone.zone, one)
        world.keeper.follow(make.policy(zone, health={"probe_seconds": 59.0}))
        result = await world.connect()
        assert result.outcome.advice is Advice.NONE
        await world.until_state("one", ZoneState.MUTED)
        assert world.watch("one").remedy == OWN_RESOLVER


@pytest.mark.parametrize("acting", [Acting.SERVFAIL, Acting.SILENT])
async def test_a_list_that_does_not_answer_rejects_nobody_and_dies(
    make: Any, acting: Acting
) -> None:
    policy = make.policy(
        make.zone("one", policy_list=True, score=9.0, timeout_seconds=0.1),
        health={"probe_seconds": 1.0},
    )
    one = DnsList(acting=acting)
    one.add(CLIENT)
    async with make.world(policy, {"one": one}) as world:
        result = await world.connect()
        assert (result.outcome.status, result.outcome.advice) == (Status.TEMPERROR, Advice.NONE)
        assert "no DNS list answers" in result.outcome.detail
        assert result.valid_seconds == 0.0
        assert [s.name for s in result.outcome.signals] == ["NO_PTR"]
        assert world.metric("list_answers_total", list="one", status="failed") == 1.0
        await world.until_state("one", ZoneState.DEAD)
        assert world.watch("one").remedy == NO_ANSWER
        asked = one.asked("203.0.113.9")
        dead = await world.connect("203.0.113.9")
        assert (dead.outcome.status, one.asked("203.0.113.9")) == (Status.TEMPERROR, asked)


async def test_a_dead_list_is_no_loss_beside_one_that_answers(make: Any) -> None:
    policy = make.policy(
        make.zone("one", timeout_seconds=0.1), make.zone("two", policy_list=True, score=7.0)
    )
    lists = {"one": DnsList(acting=Acting.SILENT), "two": listing(CLIENT)}
    async with make.world(policy, lists) as world:
        result = await world.connect()
        assert (result.outcome.advice, result.outcome.detail) == (Advice.CLOSE, "two")
        clear = await world.connect("203.0.113.9")
        assert clear.outcome.status is Status.HIT  # for want of a name
        assert clear.outcome.detail == "no answer of one"


async def test_a_dead_list_comes_back_by_itself(make: Any) -> None:
    zone = make.zone("one", policy_list=True, score=9.0, timeout_seconds=0.1)
    policy = make.policy(zone, health={"probe_seconds": 1.0})
    one = listing(CLIENT)
    one.act(Acting.SILENT)
    async with make.world(policy, {"one": one}) as world:
        await world.until_state("one", ZoneState.DEAD)
        one.act(Acting.WELL)
        await world.until_state("one", ZoneState.HEALTHY)
        assert (await world.connect()).outcome.advice is Advice.CLOSE


async def test_a_failed_allow_list_turns_a_refusal_into_a_deferral(make: Any) -> None:
    policy = make.policy(
        make.zone("bl", score=8.0, policy_list=True),
        make.zone("wl", score=-4.0, timeout_seconds=0.1),
    )
    lists = {"bl": listing(CLIENT), "wl": DnsList()}
    async with make.world(policy, lists) as world:
        for name in lists:
            await world.until_state(name, ZoneState.HEALTHY)
        lists["wl"].act(Acting.SERVFAIL)
        result = await world.connect()
        assert (result.outcome.advice, result.outcome.reason) == (Advice.DEFER, Reason.LISTED)


async def test_a_list_that_begins_to_list_the_world_turns_nobody_away_for_good(make: Any) -> None:
    """Wildcard: found out by a name that nobody ever asked for, before the first refusal."""
    policy = make.policy(make.zone("one", policy_list=True, score=9.0))
    one = listing(CLIENT)
    async with make.world(policy, {"one": one}) as world:
        assert (await world.connect()).outcome.advice is Advice.CLOSE
        one.act(Acting.WORLD)
        advices = {(await world.connect(f"203.0.113.{n}")).outcome.advice for n in range(100, 130)}
        assert advices == {Advice.NONE}
        assert world.watch("one").state is ZoneState.MUTED
        one.act(Acting.WELL)


async def test_one_that_lists_the_world_and_only_scores_is_muted_within_a_window(make: Any) -> None:
    """A window is a minute by default; whoever is listed has the list probed twice in it."""
    policy = make.policy(make.zone("one", score=1.0), health={"drift_window_seconds": 0.4})
    one = DnsList()
    async with make.world(policy, {"one": one}) as world:
        await world.until_state("one", ZoneState.HEALTHY)
        one.act(Acting.WORLD)
        result = await world.connect()
        assert "LIST_ONE" in {s.name for s in result.outcome.signals}
        await world.until_state("one", ZoneState.MUTED, 2.0)
        assert world.watch("one").remedy == LISTS_ALL
    assert make.policy().reputation.health.drift_window_seconds <= 60.0


async def test_while_a_list_cannot_be_proved_its_word_only_puts_off(make: Any) -> None:
    policy = make.policy(
        make.zone("one", policy_list=True, score=9.0, timeout_seconds=0.5),
        health={"confirm_seconds": 60.0},
    )
    one = listing(CLIENT)
    async with make.world(policy, {"one": one}) as world:
        await world.until_state("one", ZoneState.HEALTHY)
        world.seconds = 0.2
        result = await world.connect()
        assert (result.outcome.advice, result.outcome.reason) == (Advice.DEFER, Reason.LISTED)
        assert result.valid_seconds == policy.reputation.shortest_valid_seconds
        assert world.metric("listed_put_off_total") == 1.0


async def test_a_share_that_rises_without_proof_only_puts_off(make: Any) -> None:
    policy = make.policy(
        make.zone("one", policy_list=True, score=9.0),
        health={"drift_window_seconds": 1.0, "drift_queries": 8, "confirm_seconds": 0.01},
    )
    one = DnsList(ttl=1)
    async with make.world(policy, {"one": one}) as world:
        for n in range(10):
            assert (await world.connect(f"203.0.113.{n}")).outcome.advice is Advice.NONE
        await make.until(lambda: world.watch("one").window.usual == 0.0)
        await asyncio.sleep(1.05)
        await world.connect("203.0.113.99")  # ends the window
        one.act(Acting.WORLD_BUT_TESTS)
        advices = [(await world.connect(f"198.51.100.{n}")).outcome.advice for n in range(30)]
        assert set(advices[8:]) <= {Advice.DEFER, Advice.NONE}
        # and once those are listed too whom it did not list before, it is muted
        await world.until_state("one", ZoneState.MUTED)
        assert world.watch("one").remedy == LISTS_ALL


async def test_a_muted_list_is_muted_longer_each_time_and_comes_back(make: Any) -> None:
    policy = make.policy(
        make.zone("one", policy_list=True, score=9.0),
        health={"mute_seconds": 0.1, "mute_longest_seconds": 0.4, "probe_seconds": 1.0},
    )
    one = listing(CLIENT)
    one.act(Acting.REFUSING)
    with capture_logs() as logs:
        async with make.world(policy, {"one": one}) as world:
            muted = lambda: [log["seconds"] for log in logs if log["event"] == "list_muted"]  # noqa: E731
            await make.until(lambda: len(muted()) >= 4)
            assert muted()[:4] == [0.1, 0.2, 0.4, 0.4]
            one.act(Acting.WELL)
            await world.until_state("one", ZoneState.HEALTHY)
            assert (await world.connect()).outcome.advice is Advice.CLOSE
    assert any(log["event"] == "list_serves_again" for log in logs)


async def test_a_slow_list_is_not_waited_for_longer_than_it_may_take(make: Any) -> None:
    policy = make.policy(
        make.zone("slow", score=4.0, timeout_seconds=0.1), make.zone("fast", score=4.0)
    )
    lists = {"slow": listing(CLIENT, seconds=2.5), "fast": listing(CLIENT)}
    async with make.world(policy, lists) as world:
        world.seconds = 3.0
        begun = world.clock.monotonic()
        result = await world.connect()
        assert world.clock.monotonic() - begun < 2.0
        assert {s.name for s in result.outcome.signals} == {"LIST_FAST", "NO_PTR"}


async def test_nobody_waits_for_what_cannot_change_the_answer(make: Any) -> None:
    policy = make.policy(
        make.zone("one", score=9.0, policy_list=True),
        make.zone("slow", score=4.0, timeout_seconds=3.0),
    )
    lists = {"one": listing(CLIENT), "slow": listing(CLIENT)}
    async with make.world(policy, lists) as world:
        await world.until_state("one", ZoneState.HEALTHY)
        lists["slow"].act(Acting.WELL, seconds=2.5)
        world.seconds = 3.0
        begun = world.clock.monotonic()
        result = await world.connect()
        assert result.outcome.advice is Advice.CLOSE
        assert world.clock.monotonic() - begun < 2.0
        assert world.metric("list_rounds_cut_short_total") == 1.0


async def test_a_slow_allow_list_is_waited_for(make: Any) -> None:
    policy = make.policy(
        make.zone("one", score=9.0, policy_list=True), make.zone("slow", score=-4.0)
    )
    lists = {"one": listing(CLIENT), "slow": listing(CLIENT, seconds=0.2)}
    async with make.world(policy, lists) as world:
        assert (await world.connect()).outcome.advice is Advice.NONE


# -- bounds and secrets ------------------------------------------------------------------------------------


async def test_no_message_costs_more_than_64_questions(make: Any) -> None:
    zones = [
        make.zone(f"z{n}", kinds=["ip4", "domain", "hash"], checks=["client", "helo", "from"])
        for n in range(64)
    ]
    spf = "v=spf1 " + " ".join(f"a:h{n}.many.example" for n in range(10)) + " -all"
    records = {"many.example": f'@ 60 IN TXT "{spf}"\n@ 60 IN MX 10 mx\nmx 60 IN A 192.0.2.1\n'}
    lists = {f"z{n}": DnsList() for n in range(64)}
    async with make.world(make.policy(*zones), lists, records) as world:
        connected = await world.connect()
        mailed = await world.mail("a@many.example", helo="mx.many.example")
        asked = len(connected.outcome.lookups) + len(mailed.outcome.lookups)
        assert 40 < asked <= 64
        none = make.policy(*zones, queries=0)
        world.policy = none
        assert (await world.connect()).outcome.lookups == ()
        assert (await world.mail("a@many.example", helo="x.example")).outcome.lookups == ()


@pytest.mark.parametrize("acting", list(Acting))
async def test_neither_key_nor_zone_is_told_to_anybody(
    make: Any, acting: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    zone = make.zone(
        "one", policy_list=True, score=9.0, key_secret="one-key", display="List One",
        timeout_seconds=0.2,
    )  # fmt: skip
    zone = zone.model_copy(update={"zone": "hidden.zone.example"})
    bl = listing(CLIENT, key=KEY)
    bl.act(acting)
    with capture_logs() as logs:
        async with make.world(make.policy(zone), keys={"one-key": KEY}) as world:
            world.dns.listing("hidden.zone.example", bl)
            world.keeper.follow(make.policy(zone, health={"probe_seconds": 0.5}))
            results = [await world.connect(), await world.connect("203.0.113.9")]
            answers = [str(result_to_proto(result)) for result in results]
            shown = [str(zone_to_proto(watch, 0.0)) for watch in world.keeper]
            told = capsys.readouterr()
            everything = f"{answers} {shown} {logs} {world.exposed()} {told.out} {told.err}"
            assert any(KEY in name for name, _ in world.dns.questions)
            assert "List One" in everything
            assert KEY not in everything
            assert "hidden.zone" not in everything


async def test_a_list_whose_key_is_missing_is_off_and_says_so(make: Any) -> None:
    policy = make.policy(make.zone("one", key_secret="gone"), make.zone("two", enabled=False),
                         make.zone("three", terms_accepted=False))  # fmt: skip
    lists = {name: listing(CLIENT) for name in ("one", "two", "three")}
    async with make.world(policy, lists) as world:
        result = await world.connect()
        assert not any(s.group == "lists" for s in result.outcome.signals)
        assert [(w.zone.name, w.state.value, bool(w.remedy)) for w in world.keeper] == [
            ("one", "off", True), ("two", "off", False), ("three", "off", False),
        ]  # fmt: skip
        assert all(listing.questions == [] for listing in lists.values())


async def test_lists_of_a_new_policy_are_followed(make: Any) -> None:
    first = make.policy(make.zone("one"))
    async with make.world(first, {"one": DnsList(), "two": DnsList()}) as world:
        await world.connect()
        kept = world.watch("one")
        world.keeper.follow(make.policy(make.zone("one"), make.zone("two")))
        assert world.watch("one") is kept
        assert world.metric("list_answers_total", list="two", status="listed") == 0.0
        world.keeper.follow(make.policy(make.zone("two")))
        assert world.metric("list_answers_total", list="one", status="listed") is None
