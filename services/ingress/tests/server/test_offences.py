"""What offends: counted, and ending the session of who is banned for it; and accounts that are blocked."""

import asyncio
from typing import Any

import pytest

from mailweir_core.bans import Ban, OffenceKind, ban_key, dump_ban, paused_login
from mailweir_core.decision import Action
from mailweir_core.net import parse_ip
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_ingress.adapters.ratelimit import MemoryRatelimit
from mailweir_ingress.adapters.reputation import MemoryReputation
from mailweir_ingress.edge import Services
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_ingress.ports import Offence, Stage
from mailweir_runtime.bus.topology import BANS

MakeGate = Any  # see conftest.py

TOO_LONG = {"message__bytes": 2000, "ratelimit__intrusion__rules__size__measure": 4000.0}
ANYBODY = {"ratelimit__intrusion__never": []}  # so that a client on loopback can offend
LIST = [{"name": "example.com", "recipients": "list", "addresses": ["bob@example.com"]}]
ACCOUNTS = {"anna@example.com": ("secret", "anna@example.com")}


def banning(kind: OffenceKind, count: int) -> MemoryRatelimit:
    """Return a ratelimit that bans at the n-th offence of a kind."""
    seen: list[Offence] = []

    def standing(offence: Offence) -> Ban | None:
        if offence.kind is kind:
            seen.append(offence)
        if len(seen) < count:
            return None
        return Ban("127.0.0.1/32", kind, f"{count} of them", 1.0, 4e9)

    return MemoryRatelimit(None, standing)


async def ban(g: Any, subject: str, until: float = 0.0) -> None:
    """Have a subject banned."""
    bucket = await g.bus.bucket(BANS)
    made = Ban(subject, OffenceKind.MANUAL, "by hand", 1.0, until)
    await bucket.put(ban_key(subject), dump_ban(made))


# -- what is an offence


async def test_a_dictionary_attack_is_cut_after_five(gate: MakeGate) -> None:
    counting = banning(OffenceKind.UNKNOWN_USER, 5)
    services = Services(MemoryReputation(), ratelimit=counting)
    async with gate(services=services, relay__domains=LIST, **ANYBODY) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        burst = "".join(f"RCPT TO:<guess{n}@example.com>\r\n" for n in range(20))
        await client.send(burst.encode())
        assert [(await client.reply()).code for _ in range(4)] == [550] * 4
        last = await client.reply()
        assert (last.code, last.enhanced) == (421, "4.7.0")
        assert "banned" in last.lines[0]
        assert await client.ended()
        assert len(counting.offences) == 5
        assert counting.offences[-1].evidence == "<guess4@example.com>"
        assert counting.offences[-1].ref.endswith("-1")
        assert [q for q in services.reputation.asked if q.stage is Stage.RCPT] == []
        reasons = {record.reason for record in g.records()}
        assert reasons == {"banned", "unknown-recipient"}


async def test_within_a_session_nobody_guesses_longer_because_nobody_counts(
    gate: MakeGate,
) -> None:
    never = banning(OffenceKind.UNKNOWN_USER, 1000)
    async with gate(services=Services(ratelimit=never), relay__domains=LIST, **ANYBODY) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        codes = [(await client.ask(f"RCPT TO:<guess{n}@example.com>")).code for n in range(5)]
        assert codes == [550, 550, 550, 550, 421]
        assert await client.ended()


async def test_the_session_of_an_offence_may_go_on(gate: MakeGate) -> None:
    counting = banning(OffenceKind.RELAY, 1)
    policy = {**ANYBODY, "ratelimit__intrusion__close": False}
    async with gate(services=Services(ratelimit=counting), **policy) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        assert (await client.ask("RCPT TO:<x@elsewhere.example>")).code == 550
        assert (await client.ask("RCPT TO:<bob@example.com>")).code == 250


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        (OffenceKind.RELAY, ["MAIL FROM:<a@example.net>", "RCPT TO:<x@elsewhere.example>"]),
        (OffenceKind.RELAY, ["MAIL FROM:<a@example.net>", "RCPT TO:<x%y@example.com>"]),
        (OffenceKind.TRAP, ["MAIL FROM:<a@example.net>", "RCPT TO:<Trap@example.com>"]),
        (OffenceKind.RESET, ["RSET", "NOOP", "RSET"]),
    ],
)
async def test_what_offends_ends_the_session(
    gate: MakeGate, kind: OffenceKind, lines: list[str]
) -> None:
    counting = banning(kind, 1)
    policy = {
        **ANYBODY,
        "ratelimit__intrusion__traps": ["trap@example.com"],
        "session__junk_commands": 3,  # EHLO is one
    }
    async with gate(services=Services(ratelimit=counting), **policy) as g:
        client = await g.greeted()
        replies = [await client.ask(line) for line in lines]
        assert [reply.code for reply in replies[:-1]] == [250] * (len(lines) - 1)
        assert (replies[-1].code, replies[-1].enhanced) == (421, "4.7.0")
        assert await client.ended()
        assert [offence.kind for offence in counting.offences] == [kind]
        assert g.sample("offences_total", kind=kind) == 1


async def test_data_without_an_end_offends_by_its_size(gate: MakeGate) -> None:
    counting = banning(OffenceKind.SIZE, 1000)
    async with gate(services=Services(ratelimit=counting), **TOO_LONG, **ANYBODY) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"x" * 3000 + b"\r\n.\r\n")
        assert (await client.reply()).code == 552
        await client.begin()
        await client.send(b"x" * 9000)
        assert (await client.reply()).code == 421
        assert [o.kind for o in counting.offences] == [OffenceKind.SIZE] * 2
        assert [o.measure for o in counting.offences] == [3005.0, 9000.0]


async def test_data_is_read_as_far_as_it_bans(gate: MakeGate) -> None:
    """Cut off before that, a client that sends without end would only come again."""
    counting = banning(OffenceKind.SIZE, 1000)
    policy = {**TOO_LONG, "ratelimit__intrusion__rules__size__measure": 20_000.0}
    async with gate(services=Services(ratelimit=counting), **policy, **ANYBODY) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"x" * 19_000 + b"\r\n.\r\n")
        assert (await client.reply()).code == 552
        await client.begin()
        await client.send(b"x" * 21_000)
        assert (await client.reply()).code == 421
        assert [o.measure >= 20_000 for o in counting.offences] == [False, True]


async def test_where_nobody_counts_it_less_is_read(gate: MakeGate) -> None:
    async with gate(message__bytes=2000, **ANYBODY) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"x" * 5000)
        assert (await client.reply()).code == 421


async def test_a_high_score_ends_the_session_after_the_reply(gate: MakeGate) -> None:
    verdict = ContentVerdict(Status.HIT, Action.REJECT, Reason.SPAM, 25.0)
    counting = banning(OffenceKind.SCORE, 1)
    services = Services(MemoryReputation(), ratelimit=counting)
    async with gate(services=services, judge=lambda _e, _r: verdict, **ANYBODY) as g:
        client = await g.greeted()
        assert (await client.deliver()).code == 550
        assert (await client.reply()).code == 421
        (offence,) = counting.offences
        assert (offence.measure, offence.evidence[-6:]) == (25.0, ": 25.0")


async def test_failed_logins_are_counted_by_login_and_client(gate: MakeGate) -> None:
    counting = banning(OffenceKind.LOGIN, 2)
    policy = {**ANYBODY, "session__auth_failure_delay_seconds": 0}
    async with gate(services=Services(ratelimit=counting), accounts=ACCOUNTS, **policy) as g:
        client = await g.submitter()
        assert (await client.log_in("anna@example.com", "guess")).code == 535
        assert (await client.log_in("eve@example.com", "guess")).code == 421
        assert await client.ended()
        logins = [(o.login, o.evidence) for o in counting.offences]
        assert logins == [("anna@example.com",) * 2, ("eve@example.com",) * 2]


async def test_who_may_offend_is_left_alone(gate: MakeGate) -> None:
    counting = banning(OffenceKind.RELAY, 1)
    async with gate(services=Services(ratelimit=counting)) as g:  # loopback is never banned
        client = await g.greeted()
        await client.ask("MAIL FROM:<a@example.net>")
        assert (await client.ask("RCPT TO:<x@elsewhere.example>")).code == 550
        assert counting.offences == []


# -- accounts


async def settled(g: Any, subject: str, until: float = 0.0) -> None:
    """Ban, and wait until the ingress knows."""
    await ban(g, subject, until)
    async with asyncio.timeout(5):
        while g.sample("known_bans") < 1:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("until", "code", "enhanced"), [(0.0, 535, "5.7.13"), (4e9, 454, "4.7.0")])
async def test_a_blocked_account_does_not_log_in(
    gate: MakeGate, until: float, code: int, enhanced: str
) -> None:
    policy = {"session__auth_failure_delay_seconds": 0}
    async with gate(accounts=ACCOUNTS, **policy) as g:
        await settled(g, "account:anna@example.com", until)
        client = await g.submitter()
        wrong = await client.log_in("anna@example.com", "guess")
        assert (wrong.code, wrong.enhanced) == (535, "5.7.8")  # only its owner learns of it
        right = await client.log_in("anna@example.com", "secret")
        assert (right.code, right.enhanced) == (code, enhanced)
        assert g.sample("logins_total", outcome="blocked") == 1


async def test_a_login_may_be_paused_from_one_place(gate: MakeGate) -> None:
    here = parse_ip("127.0.0.1")
    assert here is not None
    async with gate(accounts=ACCOUNTS) as g:
        await settled(g, f"account:{paused_login('anna@example.com', here)}", 4e9)
        client = await g.submitter()
        assert (await client.log_in("anna@example.com", "secret")).code == 454


async def test_an_account_that_is_blocked_later_sends_no_more(gate: MakeGate) -> None:
    async with gate(accounts=ACCOUNTS) as g:
        client = await g.submitter()
        assert (await client.log_in("anna@example.com", "secret")).code == 235
        await settled(g, "account:anna@example.com")
        reply = await client.ask("MAIL FROM:<anna@example.com>")
        assert (reply.code, reply.enhanced) == (550, "5.7.13")
        record = await g.record()
        assert record.reason == "account-blocked"
