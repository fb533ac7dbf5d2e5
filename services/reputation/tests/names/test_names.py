"""Names and SPF, over real DNS on loopback."""

from typing import Any

import pytest

from mailweir_core.outcome import Advice, Status
from mailweir_core.reasons import Reason
from mailweir_testkit.dns import Misbehaviour

pytestmark = pytest.mark.integration

REVERSE = """
7  60 IN PTR mail.good.example.
8  60 IN PTR liar.good.example.
9  60 IN PTR dsl-203-0-113-9.pool.isp.example.
10 60 IN PTR dsl-203-0-113-10.pool.isp.example.
10 60 IN PTR mail.good.example.
"""
GOOD = """
@    60 IN MX 10 mail
@    60 IN TXT "v=spf1 ip4:203.0.113.7 ~all"
mail 60 IN A  203.0.113.7
mail 60 IN A  203.0.113.10
mail 60 IN TXT "v=spf1 a -all"
liar 60 IN A  198.51.100.1
"""
ISP = "dsl-203-0-113-9.pool 60 IN A 203.0.113.9\ndsl-203-0-113-10.pool 60 IN A 203.0.113.10\n"
STRICT = '@ 60 IN MX 10 mx\n@ 60 IN TXT "v=spf1 -all"\n'
ZONES = {
    "113.0.203.in-addr.arpa": REVERSE,
    "good.example": GOOD,
    "isp.example": ISP,
    "strict.example": STRICT,
    "null.example": "@ 60 IN MX 0 .\n",
}


def names(result: Any) -> list[str]:
    return [signal.name for signal in result.outcome.signals]


@pytest.mark.parametrize(
    ("ip", "found", "host"),
    [
        ("203.0.113.7", [], "mail.good.example"),
        ("203.0.113.8", ["FCRDNS_FAIL"], ""),
        ("203.0.113.9", ["DYNAMIC_NAME"], "dsl-203-0-113-9.pool.isp.example"),
        ("203.0.113.10", [], ""),
        ("203.0.113.11", ["NO_PTR"], ""),
        ("2001:db8::9", ["NO_PTR"], ""),
        ("127.0.0.1", [], ""),
        ("10.0.0.1", [], ""),
    ],
)
async def test_names_of_clients(make: Any, ip: str, found: list[str], host: str) -> None:
    async with make.world(make.policy(), zones=ZONES) as world:
        result = await world.connect(ip)
        assert names(result) == found
        assert result.client.host == host or ip.endswith(".10")
        assert result.outcome.advice is Advice.NONE


async def test_a_home_connection_is_one_for_greylisting(make: Any) -> None:
    policy = make.policy()
    async with make.world(policy, zones=ZONES) as world:
        assert (await world.connect("203.0.113.9")).client.suspicion == policy.greylist.suspicion
        assert (await world.connect("203.0.113.11")).client.suspicion == 1.0
        assert (await world.connect("203.0.113.7")).client.suspicion == 0.0


async def test_a_refusal_of_suspect_clients_is_the_policys_choice(make: Any) -> None:
    policy = make.policy(edge={"suspects": {"no_reverse_name": "close", "dynamic_name": "reject"}})
    async with make.world(policy, zones=ZONES) as world:
        nameless = await world.connect("203.0.113.11")
        assert (nameless.outcome.advice, nameless.outcome.reason) == (
            Advice.CLOSE, Reason.NO_REVERSE_DNS,
        )  # fmt: skip
        assert (await world.connect("203.0.113.9")).outcome.advice is Advice.REJECT


@pytest.mark.parametrize("how", [Misbehaviour.SERVFAIL, Misbehaviour.REFUSED, Misbehaviour.TIMEOUT])
async def test_a_failed_look_up_is_held_against_nobody(make: Any, how: Misbehaviour) -> None:
    remedies = dict.fromkeys(make.policy().edge.suspects.model_dump(), "close")
    async with make.world(make.policy(edge={"suspects": remedies}), zones=ZONES) as world:
        world.seconds = 0.2
        for name in ("7.113.0.203.in-addr.arpa", "good.example", "mail.good.example"):
            world.dns.misbehave(name, how)
        connected = await world.connect("203.0.113.7")
        sent = await world.mail("ann@good.example", helo="mail.good.example", ip="203.0.113.7")
        for result in (connected, sent):
            assert result.outcome.status is Status.TEMPERROR
            assert result.outcome.advice is Advice.NONE
            assert names(result) == []
            assert "could not be" in result.outcome.detail
        assert sent.client.spf == "temperror"


async def test_a_good_sender(make: Any) -> None:
    async with make.world(make.policy(), zones=ZONES) as world:
        result = await world.mail("ann@good.example", "mail.good.example", "203.0.113.7")
        assert (result.outcome.status, names(result)) == (Status.OK, [])
        assert (result.client.spf, result.client.spf_domain) == ("pass", "good.example")


@pytest.mark.parametrize(
    ("sender", "helo", "found", "advice", "reason"),
    [
        ("a@gone.example", "", ["SENDER_DOMAIN_MISSING"], Advice.REJECT, Reason.SENDER_DOMAIN_MISSING),
        ("a@null.example", "", ["SENDER_NULL_MX"], Advice.REJECT, Reason.SENDER_TAKES_NO_MAIL),
        ("a@strict.example", "", ["SPF_FAIL"], Advice.NONE, None),
        ("a@good.example", "", ["SPF_SOFTFAIL"], Advice.NONE, None),
        ("", "mail.good.example", ["HELO_LIES", "SPF_FAIL"], Advice.NONE, None),
        ("", "nobody", ["HELO_NOT_FQDN"], Advice.NONE, None),
        ("a@example.com", "", [], Advice.NONE, None),  # one of our own domains
    ],
)  # fmt: skip
async def test_suspect_senders(
    make: Any, sender: str, helo: str, found: list[str], advice: Advice, reason: Reason | None
) -> None:
    async with make.world(make.policy(), zones=ZONES) as world:
        result = await world.mail(sender, helo, "198.51.100.77")
        assert sorted(names(result)) == found
        assert (result.outcome.advice, result.outcome.reason) == (advice, reason)


async def test_the_null_sender_is_checked_by_its_greeting(make: Any) -> None:
    async with make.world(make.policy(), zones=ZONES) as world:
        result = await world.mail("", "mail.good.example", "203.0.113.7")
        assert (result.client.spf, result.client.spf_domain) == ("pass", "mail.good.example")


async def test_what_is_switched_off_is_not_looked_up(make: Any) -> None:
    off = make.policy(look_up_names=False, spf=False)
    async with make.world(off, zones=ZONES) as world:
        for result in (
            await world.connect("203.0.113.11"),
            await world.mail("a@gone.example", "nobody", "203.0.113.11"),
        ):
            assert (result.outcome.status, result.outcome.lookups) == (Status.OK, ())
        assert world.dns.questions == []


async def test_what_was_asked_is_in_the_record(make: Any) -> None:
    async with make.world(make.policy(), zones=ZONES) as world:
        result = await world.connect("203.0.113.9")
        name = "dsl-203-0-113-9.pool.isp.example"
        assert [(look.question, look.answer) for look in result.outcome.lookups] == [
            ("9.113.0.203.in-addr.arpa PTR", f"ok {name}"),
            (f"{name} A", "ok 203.0.113.9"),
        ]
