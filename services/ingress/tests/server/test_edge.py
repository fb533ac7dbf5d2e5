"""The edge on the wire: what clients are asked about, told, and sent away for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mailweir_core.client import ClientFacts
from mailweir_core.outcome import Advice, Outcome, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_ingress.adapters.greylist import MemoryGreylist
from mailweir_ingress.adapters.ratelimit import MemoryRatelimit
from mailweir_ingress.adapters.reputation import MemoryReputation
from mailweir_ingress.edge import Services
from mailweir_ingress.ports import (
    GreylistAnswer,
    GreylistQuestion,
    RatelimitAnswer,
    RatelimitQuestion,
    ReputationAnswer,
    ReputationQuestion,
    Stage,
)

MakeGate = Any  # see conftest.py

LIST = [
    {
        "name": "example.com",
        "recipients": "list",
        "addresses": ["bob@example.com", "eve@example.com", "zoe@example.com"],
    }
]
ASKED = {"greylist__suspicion": 0.0}  # so that nobody is too unsuspicious to be asked about
COUNTED = {"ratelimit__exempt_networks": [], **ASKED}  # so that a client on loopback counts
ACCOUNTS = {"anna@example.com": ("secret", "anna@example.com")}
SUSPICIOUS = ClientFacts(suspicion=3.0)


def hit(check: str, advice: Advice, reason: Reason, detail: str = "") -> Outcome:
    """Return what a service says that found something."""
    signals = (Signal(reason.name, 2.0, "edge"),)
    return Outcome(check, Status.HIT, signals, advice, reason, detail)


LISTED = hit("reputation", Advice.CLOSE, Reason.LISTED, "Some List")
MISSING = hit("reputation", Advice.REJECT, Reason.SENDER_DOMAIN_MISSING)
LATER = hit("greylist", Advice.DEFER, Reason.GREYLISTED)
TOO_MANY = hit("ratelimit", Advice.DEFER, Reason.RATE_LIMITED, "50 recipients in 5 minutes")
OVER = hit("ratelimit", Advice.HOLD, Reason.OVER_LIMIT, "the limit of 200 messages is reached")


def at(stage: Stage, outcome: Outcome) -> Callable[[ReputationQuestion], ReputationAnswer]:
    """Return a reputation that says this at one stage, and nothing at the others."""

    def answer(asked: ReputationQuestion) -> ReputationAnswer:
        fine = Outcome("reputation", Status.OK)
        found = outcome if asked.stage is stage else fine
        return ReputationAnswer(found, SUSPICIOUS, (fine,) * len(asked.recipients))

    return answer


def edge(
    reputation: Callable[[ReputationQuestion], ReputationAnswer] | None = None,
    greylist: Callable[[GreylistQuestion], GreylistAnswer] | None = None,
    ratelimit: MemoryRatelimit | None = None,
) -> Services:
    """Return all services in memory."""
    return Services(
        MemoryReputation(reputation), MemoryGreylist(greylist), ratelimit or MemoryRatelimit()
    )


# -- what is asked


async def test_each_phase_is_one_question_to_each_service(gate: MakeGate) -> None:
    services = edge()
    async with gate(services=services, relay__domains=LIST, **COUNTED) as g:
        client = await g.greeted()
        lines = [
            "MAIL FROM:<anna@example.net>",
            "RCPT TO:<bob@example.com>",
            "RCPT TO:<nobody@example.com>",
            "RCPT TO:<Eve@Example.com>",
            "RCPT TO:<x@elsewhere.example>",
            "rcpt to:<zoe@example.com>",
            "RCPT TO:<bob@example.com>",
            "DATA",
        ]
        await client.send(("\r\n".join(lines) + "\r\n").encode())
        codes = [(await client.reply()).code for _ in lines]
        assert codes == [250, 250, 550, 250, 550, 250, 250, 354]
        await client.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert (await client.reply()).code == 250
        stages = [asked.stage for asked in services.reputation.asked]
        assert stages == [Stage.CONNECT, Stage.RCPT]
        assert services.reputation.asked[-1].with_sender
        exist = ("bob@example.com", "Eve@example.com", "zoe@example.com")
        assert services.reputation.asked[-1].recipients == exist
        assert [asked.recipients for asked in services.greylist.asked] == [exist]
        assert [asked.stage for asked in services.ratelimit.asked] == [Stage.CONNECT, Stage.RCPT]


async def test_recipients_that_come_one_by_one_are_asked_about_one_by_one(gate: MakeGate) -> None:
    services = edge()
    async with gate(services=services) as g:
        client = await g.greeted()
        await client.begin("bob@example.com", "eve@example.com", "bob@example.com")
        asked = [q.recipients for q in services.reputation.asked if q.stage is Stage.RCPT]
        assert asked == [("bob@example.com",), ("eve@example.com",)]


async def test_a_burst_is_not_asked_about_beyond_the_limit(gate: MakeGate) -> None:
    services = edge()
    async with gate(services=services, session__recipients_per_message=3, **ASKED) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        burst = "".join(f"RCPT TO:<r{n}@example.com>\r\n" for n in range(6))
        await client.send(burst.encode())
        assert [(await client.reply()).code for _ in range(6)] == [250, 250, 250, 452, 452, 452]
        (asked,) = [q.recipients for q in services.greylist.asked]
        assert asked == ("r0@example.com", "r1@example.com", "r2@example.com")


async def test_a_transaction_begins_with_what_was_known_at_connect(gate: MakeGate) -> None:
    def grows(asked: ReputationQuestion) -> ReputationAnswer:
        facts = replace(asked.client, suspicion=asked.client.suspicion + 1.0)
        fine = Outcome("reputation", Status.OK)
        return ReputationAnswer(fine, facts, (fine,) * len(asked.recipients))

    services = edge(grows)
    async with gate(services=services) as g:
        client = await g.greeted()
        for _ in range(2):
            assert (await client.deliver()).code == 250
        seen = [(q.stage, q.client.suspicion) for q in services.reputation.asked]
        assert seen == [(Stage.CONNECT, 0.0), (Stage.RCPT, 1.0), (Stage.RCPT, 1.0)]
        assert [q.client.suspicion for q in services.greylist.asked] == [2.0, 2.0]


async def test_nobody_asks_about_our_own_users(gate: MakeGate) -> None:
    services = edge(at(Stage.CONNECT, LISTED))
    async with gate(services=services, accounts=ACCOUNTS, **COUNTED) as g:
        client = await g.submitter()
        assert (await client.log_in("anna@example.com", "secret")).code == 235
        await client.begin("bob@elsewhere.example", sender="anna@example.com")
        await client.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert (await client.reply()).code == 250
        assert services.reputation.asked == []
        assert services.greylist.asked == []
        assert [q.stage for q in services.ratelimit.asked] == [Stage.CONNECT, Stage.MESSAGE]


async def test_trusted_clients_are_not_looked_at(gate: MakeGate) -> None:
    services = edge(at(Stage.CONNECT, LISTED), lambda q: GreylistAnswer((LATER,)))
    async with gate(services=services, relay__trusted_networks=["127.0.0.1"]) as g:
        assert (await (await g.greeted()).deliver()).code == 250
        assert (services.reputation.asked, services.ratelimit.asked) == ([], [])


# -- what is said


async def test_a_listed_client_gets_one_line(gate: MakeGate) -> None:
    async with gate(services=edge(at(Stage.CONNECT, LISTED))) as g:
        client = await g.connect()
        reply = await client.reply()
        assert reply.code == 554
        assert reply.lines[0].startswith("5.7.1 Your address is on a block list: Some List [")
        assert await client.ended()
        record = await g.record()
        assert (record.kind, record.reason) == (3, "dns-listed")


@pytest.mark.parametrize(
    ("services", "policy", "line"),
    [
        (edge(at(Stage.CONNECT, LISTED)), {"edge__listed": "reject"}, "554 5.7.1"),
        (
            edge(at(Stage.CONNECT, LISTED)),
            {"edge__listed": "reject", "edge__listed_temporary": True},
            "450 4.7.1",
        ),
        (edge(at(Stage.CONNECT, LISTED)), {"edge__listed": "score"}, "250 2.1.5"),
        (edge(at(Stage.RCPT, MISSING)), {}, "550 5.1.8"),
        (
            edge(at(Stage.RCPT, MISSING)),
            {"edge__suspects__sender_domain_missing": "score"},
            "250 2.1.5",
        ),
        (edge(None, lambda q: GreylistAnswer((LATER,), 99.5)), ASKED, "451 4.7.1"),
    ],
)
async def test_a_recipient_is_refused_with_its_cause(
    gate: MakeGate, services: Services, policy: dict[str, Any], line: str
) -> None:
    async with gate(services=services, **policy) as g:
        client = await g.greeted()
        assert (await client.ask("MAIL FROM:<anna@example.net>")).code == 250
        reply = await client.ask("RCPT TO:<bob@example.com>")
        assert f"{reply.code} {reply.enhanced}" == line
        if reply.code == 250:
            return
        assert reply.lines[0].endswith("-1]")  # the transaction's reference
        await client.ask("QUIT")
        record = await g.record()
        assert record.refused[0].address == "<bob@example.com>"
        assert record.checks[0].check == "reputation"


async def test_what_ends_the_session_is_said_at_the_first_recipient(gate: MakeGate) -> None:
    hard = {"edge__suspects__sender_domain_missing": "close"}
    async with gate(services=edge(at(Stage.RCPT, MISSING)), **hard) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@nowhere.example>")
        reply = await client.ask("RCPT TO:<bob@example.com>")
        assert (reply.code, reply.enhanced) == (550, "5.1.8")
        assert await client.ended()
        record = await g.record()
        assert (record.reason, record.envelope.sender) == (
            "sender-domain-missing",
            "anna@nowhere.example",
        )


async def test_each_recipient_has_its_own_reply(gate: MakeGate) -> None:
    fine = Outcome("ratelimit", Status.OK)

    def some(asked: RatelimitQuestion) -> RatelimitAnswer:
        each = tuple(TOO_MANY if "eve" in one else fine for one in asked.recipients)
        return RatelimitAnswer(fine, each if asked.stage is Stage.RCPT else ())

    async with gate(services=edge(ratelimit=MemoryRatelimit(some)), **COUNTED) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        await client.send(b"RCPT TO:<bob@example.com>\r\nRCPT TO:<eve@example.com>\r\n")
        assert (await client.reply()).code == 250
        refused = await client.reply()
        assert str(refused).startswith(
            "450 4.7.1 Too much at once: 50 recipients in 5 minutes [",
        )


async def test_what_was_found_is_judged_and_recorded(gate: MakeGate) -> None:
    spf = hit("reputation", Advice.NONE, Reason.SPF_FAILED)
    async with gate(services=edge(at(Stage.RCPT, spf)), **COUNTED) as g:
        client = await g.greeted()
        assert (await client.deliver()).code == 250
        ((told,),) = g.scorer.outcomes
        assert [signal.name for signal in told.signals] == ["SPF_FAILED"]
        record = await g.record()
        checks = {check.check: check.status for check in record.checks}
        assert checks == {"reputation": 2, "greylist": 1, "ratelimit": 1, "scoring": 1}


@pytest.mark.parametrize("check", ["reputation", "greylist", "ratelimit"])
@pytest.mark.parametrize(
    ("follows", "rcpt", "end", "action"),
    [("skip", 250, 250, "accept"), ("hold", 250, 250, "hold"), ("tempfail", 451, 0, "")],
)
async def test_a_service_that_is_away_is_named_and_the_policy_followed(
    gate: MakeGate, check: str, follows: str, rcpt: int, end: int, action: str
) -> None:
    def away(asked: Any) -> Any:
        return asked.unanswered(Outcome(check, Status.TEMPERROR, detail="away"))

    answers: dict[str, Any] = {check: away}
    if check == "ratelimit":
        answers = {"ratelimit": MemoryRatelimit(away)}
    policy = {**COUNTED, f"degradation__{check}": follows}
    async with gate(services=edge(**answers), **policy) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        assert (await client.ask("RCPT TO:<bob@example.com>")).code == rcpt
        if not end:
            return
        await client.ask("DATA")
        await client.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert (await client.reply()).code == end
        (mail,) = g.mails()
        assert mail.action == action
        assert f"\r\nX-Mailweir-Unchecked: {check}\r\n".encode() in mail.content
        record = await g.record()
        assert [c.check for c in record.checks if c.status == 3] == [check]
        assert g.sample("checks_total", check=check, status="temperror") >= 1


async def test_the_201st_message_is_held_with_a_clear_reply(gate: MakeGate) -> None:
    def limit(asked: RatelimitQuestion) -> RatelimitAnswer:
        return RatelimitAnswer(OVER if asked.stage is Stage.MESSAGE else Outcome("x", Status.OK))

    services = edge(ratelimit=MemoryRatelimit(limit))
    async with gate(services=services, accounts=ACCOUNTS, **COUNTED) as g:
        client = await g.submitter()
        await client.log_in("anna@example.com", "secret")
        await client.begin("bob@elsewhere.example", sender="anna@example.com")
        await client.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        text = "250 2.0.0 Message held and not yet sent: the limit of 200 messages is reached ["
        assert str(await client.reply()).startswith(text)
        (mail,) = g.mails()
        assert (mail.action, mail.reason) == ("hold", "over-outbound-limit")
