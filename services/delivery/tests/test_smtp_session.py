"""SMTP and LMTP next hops over real connections, with a next hop that answers as scripted."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import trustme
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_delivery.adapters.smtp.carrier import SmtpCarrier
from mailweir_delivery.adapters.smtp.late import LateReplies
from mailweir_delivery.adapters.smtp.terms import TlsContexts
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.replies import Ending, Verdict
from mailweir_delivery.policy.routing import Hop, Tls, hop_from
from mailweir_delivery.ports import Leg, Parcel
from mailweir_policy import Policy
from mailweir_testkit.nexthop import NextHop, Rule, next_hop

pytestmark = pytest.mark.integration

CONTENT = b"Subject: hello\r\n\r\n.starts with a dot\r\n..two\r\nend\r\n"
ALICE, BOB = "alice@example.com", "bob@example.com"


class Rig:
    """A carrier with what a test wants to look at."""

    def __init__(self, contexts: TlsContexts | None = None, **delivery: float) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, SystemClock())
        self.late = LateReplies(self.metrics)
        self.carrier = SmtpCarrier(contexts or TlsContexts.load(), self.late, self.metrics)
        self.policy = Policy.model_validate(
            {
                "delivery": {"connect_seconds": 2, "command_seconds": 2, "data_end_seconds": 2}
                | delivery
            }
        )

    async def send(
        self,
        hop: NextHop | Hop,
        *recipients: str,
        tls: Tls = Tls.NONE,
        parcel: Parcel | None = None,
    ) -> Mapping[str, Ending]:
        target = hop if isinstance(hop, Hop) else hop_from(hop.url)
        leg = Leg(target, tls, self.policy)
        return await self.carrier.deliver(parcel or make(), recipients or (ALICE,), leg)

    def is_closed(self) -> bool:
        return self.value("open_connections") == 0

    def value(self, name: str, **labels: str) -> float:
        found = self.registry.get_sample_value(f"mailweir_delivery_{name}", labels)
        assert found is not None, name
        return found


Rigs = Callable[..., Rig]


@pytest.fixture
async def rigs() -> AsyncIterator[Rigs]:
    made: list[Rig] = []

    def new(contexts: TlsContexts | None = None, **delivery: float) -> Rig:
        made.append(Rig(contexts, **delivery))
        return made[-1]

    yield new
    for rig in made:
        rig.carrier.close()
        rig.late.close()
        await until(rig.is_closed)


def make(
    ref: str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-1", content: bytes = CONTENT, **more: object
) -> Parcel:
    fields = {"sender": "sender@example.org", "received_at": 1.75e9, "release": 0} | more
    return Parcel(ref=ref, content=content, **fields)  # type: ignore[arg-type]  # a test's shorthand


async def test_a_message_arrives_as_it_is(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        endings = await rig.send(hop, ALICE, BOB)
    assert {e.verdict for e in endings.values()} == {Verdict.DELIVERED}
    assert endings[ALICE].reply == "250 2.0.0 taken"
    assert endings[ALICE].next_hop == f"127.0.0.1:{hop.port}"
    (mail,) = hop.mails
    assert (mail.sender, mail.recipients, mail.content) == (
        "sender@example.org",
        (ALICE, BOB),
        CONTENT,
    )
    assert mail.options == f"SIZE={len(CONTENT)}"


@pytest.mark.parametrize("piped", [True, False])
async def test_connections_are_reused(piped: bool, rigs: Rigs) -> None:
    rig = rigs(messages_per_connection=3)
    async with next_hop(extensions=("PIPELINING",) if piped else ()) as hop:
        for number in range(5):
            await rig.send(hop, parcel=make(content=b"Subject: %d\r\n\r\n\r\n" % number))
    assert [m.connection for m in hop.mails] == [1, 1, 1, 2, 2]
    assert rig.value("connections_total", origin="opened") == 2
    assert rig.value("connections_total", origin="reused") == 3
    assert hop.counted("RSET") == 0


async def test_an_idle_connection_is_closed_politely(rigs: Rigs) -> None:
    rig = rigs(connection_idle_seconds=0.05)
    async with next_hop() as hop:
        await rig.send(hop)
        assert rig.value("open_connections") == 1
        async with asyncio.timeout(2):
            while hop.open:
                await asyncio.sleep(0.01)
    assert hop.commands[-1] == "QUIT"
    assert rig.value("open_connections") == 0


async def test_closing_lets_idle_connections_go(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        await rig.send(hop)
        rig.carrier.close()
        async with asyncio.timeout(2):
            while hop.open:
                await asyncio.sleep(0.01)
    assert hop.commands[-1] == "QUIT"


async def test_a_connection_that_went_stale_is_replaced_at_once(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        await rig.send(hop)
        hop.hang_up()
        endings = await rig.send(hop)
        assert endings[ALICE].verdict is Verdict.DELIVERED
        hop.on(Rule("MAIL", "421 4.4.2 idle for too long", drop=True, times=1))
        endings = await rig.send(hop)
    assert endings[ALICE].verdict is Verdict.DELIVERED
    assert hop.connections == 3


async def test_each_recipient_has_its_own_answer(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        hop.on(Rule("RCPT", "550 5.1.1 unknown", match="bob"))
        hop.on(Rule("RCPT", "451 4.7.1 greylisted", match="carol"))
        endings = await rig.send(hop, ALICE, BOB, "carol@example.com")
    assert endings[ALICE].verdict is Verdict.DELIVERED
    assert (endings[BOB].verdict, endings[BOB].enhanced) == (Verdict.FAILED, "5.1.1")
    carol = endings["carol@example.com"]
    assert (carol.verdict, carol.enhanced, carol.try_next) == (Verdict.DEFERRED, "4.7.1", True)
    assert hop.mails[0].recipients == (ALICE,)


@pytest.mark.parametrize("piped", [True, False])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("code", [451, 550])
async def test_a_refusal_at_each_stage_leaves_the_session_usable(
    piped: bool, verb: str, code: int, rigs: Rigs
) -> None:
    rig = rigs()
    async with next_hop(extensions=("PIPELINING",) if piped else ()) as hop:
        hop.on(Rule(verb, f"{code} {code // 100}.7.0 no", times=1))
        endings = await rig.send(hop)
        again = await rig.send(hop)
    expected = Verdict.DEFERRED if code == 451 else Verdict.FAILED
    assert (endings[ALICE].verdict, endings[ALICE].enhanced) == (expected, f"{code // 100}.7.0")
    assert not endings[ALICE].host_fault
    assert again[ALICE].verdict is Verdict.DELIVERED
    assert hop.connections == 1


async def test_data_for_nobody_is_ended_at_once(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        hop.on(Rule("RCPT", "550 5.1.1 unknown", times=1))
        hop.on(Rule("DATA", "354 go ahead all the same", times=1))
        # the scripted server takes no data without recipients; the client must not hang on either
        endings = await rig.send(hop)
        again = await rig.send(hop)
    assert endings[ALICE].verdict is Verdict.FAILED
    assert again[ALICE].verdict is Verdict.DELIVERED


SESSION_REFUSALS = [
    ("CONNECT", "554 5.7.1 go away", "4.7.1"),
    ("CONNECT", "421 4.3.2 too busy", "4.3.2"),
    ("EHLO", "550 5.7.1 your name", "4.7.1"),
]


@pytest.mark.parametrize(("verb", "reply", "enhanced"), SESSION_REFUSALS)
async def test_a_refused_session_is_the_hosts_affair(
    verb: str, reply: str, enhanced: str, rigs: Rigs
) -> None:
    rig = rigs()
    async with next_hop() as hop:
        hop.on(Rule(verb, reply))
        ending = (await rig.send(hop))[ALICE]
    assert (ending.verdict, ending.enhanced) == (Verdict.DEFERRED, enhanced)
    assert ending.host_fault
    assert ending.try_next
    assert ending.reply == reply


async def test_an_old_server_is_greeted_with_helo(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        hop.on(Rule("EHLO", "502 5.5.1 what?"))
        ending = (await rig.send(hop))[ALICE]
    assert ending.verdict is Verdict.DELIVERED
    assert hop.commands[1] == "HELO mailweir.example.com"
    assert hop.mails[0].options == ""


DROPS = [
    # verb, whether what happened is unknown
    ("CONNECT", False),
    ("EHLO", False),
    ("MAIL", False),
    ("RCPT", False),
    ("DATA", False),
    ("DOT", True),
]


@pytest.mark.parametrize("piped", [True, False])
@pytest.mark.parametrize(("verb", "unknown"), DROPS)
async def test_a_hang_up_at_each_point(verb: str, unknown: bool, piped: bool, rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop(extensions=("PIPELINING",) if piped else ()) as hop:
        hop.on(Rule(verb, drop=True, times=1))
        ending = (await rig.send(hop))[ALICE]
        assert ending.verdict is Verdict.DEFERRED
        assert ending.unknown is unknown
        assert ending.try_next is not unknown
        assert ending.host_fault
        assert (await rig.send(hop))[ALICE].verdict is Verdict.DELIVERED
    assert len(hop.mails) == 1


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_silence_at_each_point_ends_in_time(verb: str, rigs: Rigs) -> None:
    rig = rigs(command_seconds=0.1)
    async with next_hop() as hop:
        hop.on(Rule(verb, delay=30))
        begun = time.monotonic()
        ending = (await rig.send(hop))[ALICE]
    assert time.monotonic() - begun < 5
    assert ending.verdict is Verdict.DEFERRED
    assert ending.reply.startswith("no answer at")
    assert not ending.unknown


async def test_a_hang_up_within_a_big_message_is_no_unknown_outcome(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        hop.on(Rule("CONTENT", drop=True))
        ending = (await rig.send(hop, parcel=make(content=b"x" * 70 + b"\r\n" * 4_000_000)))[ALICE]
    assert ending.verdict is Verdict.DEFERRED
    assert not ending.unknown
    assert ending.try_next


async def test_a_server_that_stops_reading_is_given_up(rigs: Rigs) -> None:
    rig = rigs(command_seconds=0.3)
    async with next_hop() as hop:
        hop.on(Rule("CONTENT", delay=30))
        ending = (await rig.send(hop, parcel=make(content=b"y" * 70 + b"\r\n" * 10_000_000)))[ALICE]
    assert ending.reply.startswith("no answer at data")
    assert not ending.unknown


async def test_nobody_listens(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        target = hop_from(hop.url)
    ending = (await rig.send(target))[ALICE]
    assert (ending.verdict, ending.enhanced) == (Verdict.DEFERRED, "4.4.1")
    assert ending.host_fault


@pytest.mark.parametrize(
    "noise", [b"HTTP/1.1 200 OK\r\n", b"22\r\n", b"\x00" * 20_000, b"220-x\r\n" * 500, b"999 x\r\n"]
)
async def test_what_is_not_smtp_is_refused_in_bounded_memory(noise: bytes, rigs: Rigs) -> None:
    rig = rigs()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(noise)
        await writer.drain()
        await reader.read()  # until the client hangs up
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ending = (await rig.send(hop_from(f"smtp://127.0.0.1:{port}")))[ALICE]
    server.close()
    await asyncio.sleep(0.05)
    assert ending.verdict is Verdict.DEFERRED
    assert ending.host_fault


class TestLate:
    """The end of data is answered after we stopped waiting."""

    async def test_a_late_250_counts(self, rigs: Rigs) -> None:
        rig = rigs(data_end_seconds=0.1)
        async with next_hop() as hop:
            hop.on(Rule("DOT", delay=0.3, times=1))
            ending = (await rig.send(hop))[ALICE]
            assert ending.unknown
            key = (make().ref, 0)
            waiting = rig.late.take(key, (ALICE, BOB))[ALICE]
            assert (waiting.verdict, waiting.unknown) == (Verdict.DEFERRED, False)
            await hop.wait_for(1)
            await until(
                lambda: rig.late.take(key, (ALICE, BOB))[ALICE].verdict is Verdict.DELIVERED
            )
            assert rig.late.take(key, (ALICE, BOB)) == {}
            assert rig.value("late_replies_total", verdict="delivered") == 1

    async def test_a_late_refusal_counts_and_a_late_451_frees_the_message(self, rigs: Rigs) -> None:
        rig = rigs(data_end_seconds=0.05)
        async with next_hop() as hop:
            hop.on(Rule("DOT", "554 5.6.0 bad", delay=0.2, times=1))
            await rig.send(hop, parcel=make("01ARZ3NDEKTSV4RRFFQ69G5FAV-1"))
            hop.on(Rule("DOT", "451 4.3.0 later", delay=0.2, times=1))
            await rig.send(hop, parcel=make("01ARZ3NDEKTSV4RRFFQ69G5FAV-2"))
            first, second = (
                ("01ARZ3NDEKTSV4RRFFQ69G5FAV-1", 0),
                ("01ARZ3NDEKTSV4RRFFQ69G5FAV-2", 0),
            )
            await until(lambda: rig.late.take(first, (ALICE, BOB))[ALICE].verdict is Verdict.FAILED)
            await until(lambda: not rig.late.take(second, (ALICE, BOB)))

    async def test_a_connection_that_ends_frees_the_message(self, rigs: Rigs) -> None:
        rig = rigs(data_end_seconds=0.05)
        async with next_hop() as hop:
            hop.on(Rule("DOT", delay=0.2, drop=True))
            await rig.send(hop)
            assert ALICE in rig.late.take((make().ref, 0), (ALICE, BOB))
            await until(lambda: not rig.late.take((make().ref, 0), (ALICE, BOB)))

    async def test_listening_ends(self, rigs: Rigs) -> None:
        rig = rigs(data_end_seconds=0.05, late_reply_seconds=0.1)
        async with next_hop() as hop:
            hop.on(Rule("DOT", delay=30))
            await rig.send(hop)
            assert len(rig.late) == 1
            await until(lambda: len(rig.late) == 0)
            await until(lambda: rig.value("open_connections") == 0)

    async def test_who_asks_for_others_takes_nothing_away(self, rigs: Rigs) -> None:
        rig = rigs(data_end_seconds=0.05)
        async with next_hop() as hop:
            hop.on(Rule("DOT", delay=0.15, times=1))
            await rig.send(hop)
            key = (make().ref, 0)
            await hop.wait_for(1)
            await until(lambda: rig.value("late_replies_total", verdict="delivered") == 1)
            assert rig.late.take(key, (BOB,)) == {}
            assert rig.late.take(key, (ALICE,))[ALICE].verdict is Verdict.DELIVERED
            assert len(rig.late) == 0

    async def test_lmtp_owes_some(self, rigs: Rigs) -> None:
        rig = rigs(data_end_seconds=0.1)
        async with next_hop(lmtp=True) as hop:
            hop.on(Rule("DOT", delay=0.3, match="bob"))
            endings = await rig.send(hop, ALICE, BOB)
            assert endings[ALICE].verdict is Verdict.DELIVERED
            assert endings[BOB].unknown
            key = (make().ref, 0)
            assert list(rig.late.take(key, (ALICE, BOB))) == [BOB]
            await until(lambda: rig.late.take(key, (ALICE, BOB))[BOB].verdict is Verdict.DELIVERED)


async def until(true: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


class TestLmtp:
    """LMTP (RFC 2033)."""

    async def test_recipients_end_differently_after_the_dot(self, rigs: Rigs) -> None:
        rig = rigs()
        async with next_hop(lmtp=True) as hop:
            hop.on(Rule("DOT", "552 5.2.2 over quota", match="bob"))
            hop.on(Rule("DOT", "451 4.2.0 locked", match="carol"))
            hop.on(Rule("RCPT", "550 5.1.1 unknown", match="dave"))
            people = (ALICE, BOB, "carol@example.com", "dave@example.com")
            endings = await rig.send(hop, *people)
            again = await rig.send(hop)
        assert [endings[p].verdict for p in people] == [
            Verdict.DELIVERED, Verdict.FAILED, Verdict.DEFERRED, Verdict.FAILED,
        ]  # fmt: skip
        assert endings[BOB].enhanced == "5.2.2"
        assert not endings["carol@example.com"].try_next
        assert again[ALICE].verdict is Verdict.DELIVERED
        assert hop.connections == 1
        assert hop.commands[0] == "LHLO mailweir.example.com"

    async def test_a_hang_up_between_the_answers(self, rigs: Rigs) -> None:
        rig = rigs()
        async with next_hop(lmtp=True) as hop:
            hop.on(Rule("DOT", match="bob", drop=True))
            endings = await rig.send(hop, ALICE, BOB)
        assert endings[ALICE].verdict is Verdict.DELIVERED
        assert endings[BOB].unknown


class TestOptions:
    """Parameters of MAIL, and what a next hop cannot take."""

    async def test_eight_bit_and_utf8_are_declared_where_known(self, rigs: Rigs) -> None:
        rig = rigs()
        content = "Subject: Grüße\r\n\r\nhällo\r\n".encode()
        async with next_hop() as hop:
            await rig.send(hop, "jürgen@example.com", parcel=make(content=content, smtputf8=True))
        assert hop.mails[0].options == f"SIZE={len(content)} BODY=8BITMIME SMTPUTF8"
        assert hop.mails[0].recipients == ("jürgen@example.com",)

    async def test_eight_bit_goes_as_it_is_where_not_known(self, rigs: Rigs) -> None:
        rig = rigs()
        content = "Subject: x\r\n\r\nhällo\r\n".encode()
        async with next_hop(extensions=()) as hop:
            await rig.send(hop, parcel=make(content=content))
        assert hop.mails[0].options == ""
        assert hop.mails[0].content == content

    async def test_a_message_that_needs_utf8_fails_where_not_known(self, rigs: Rigs) -> None:
        rig = rigs()
        async with next_hop(extensions=("PIPELINING",)) as hop:
            ending = await rig.send(hop, "jürgen@example.com", parcel=make(smtputf8=True))
            plain = (await rig.send(hop, parcel=make(smtputf8=True)))[ALICE]
        assert ending["jürgen@example.com"].enhanced == "5.6.7"
        assert ending["jürgen@example.com"].verdict is Verdict.FAILED
        assert plain.verdict is Verdict.DELIVERED  # declared, but nothing in it needs it

    async def test_a_message_over_the_announced_size_is_not_sent(self, rigs: Rigs) -> None:
        rig = rigs()
        async with next_hop(extensions=("SIZE 1000",)) as hop:
            ending = (await rig.send(hop, parcel=make(content=b"x" * 1001)))[ALICE]
        assert (ending.verdict, ending.enhanced) == (Verdict.FAILED, "5.3.4")
        assert hop.counted("MAIL") == 0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


class TestTls:
    """None, opportunistic, required."""

    async def test_opportunistic_encrypts_without_looking_at_the_certificate(
        self, authority: trustme.CA, rigs: Rigs
    ) -> None:
        rig = rigs()
        async with next_hop(tls=server_context(authority, "elsewhere.example")) as hop:
            for _ in range(2):
                ending = (await rig.send(hop, tls=Tls.OPPORTUNISTIC))[ALICE]
        assert ending.verdict is Verdict.DELIVERED
        assert [(m.tls, m.connection) for m in hop.mails] == [(True, 1), (True, 1)]

    async def test_opportunistic_goes_on_where_it_is_not_offered(self, rigs: Rigs) -> None:
        rig = rigs()
        async with next_hop() as hop:
            ending = (await rig.send(hop, tls=Tls.OPPORTUNISTIC))[ALICE]
        assert ending.verdict is Verdict.DELIVERED
        assert not hop.mails[0].tls

    async def test_opportunistic_goes_on_in_the_clear_where_the_handshake_fails(
        self, authority: trustme.CA, rigs: Rigs
    ) -> None:
        rig = rigs(messages_per_connection=1)
        old = server_context(authority, "127.0.0.1")
        old.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")  # nothing that we speak
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        async with next_hop(tls=old) as hop:
            ending = (await rig.send(hop, tls=Tls.OPPORTUNISTIC))[ALICE]
            assert ending.verdict is Verdict.DELIVERED
            await rig.send(hop, tls=Tls.OPPORTUNISTIC)
        assert [m.tls for m in hop.mails] == [False, False]
        assert hop.connections == 3  # the second message does not try again
        assert rig.value("tls_failures_total") == 1

    async def test_opportunistic_goes_on_where_starttls_is_refused(
        self, authority: trustme.CA, rigs: Rigs
    ) -> None:
        rig = rigs()
        async with next_hop(tls=server_context(authority, "x.example")) as hop:
            hop.on(Rule("STARTTLS", "454 4.7.0 not now"))
            ending = (await rig.send(hop, tls=Tls.OPPORTUNISTIC))[ALICE]
        assert ending.verdict is Verdict.DELIVERED
        assert hop.connections == 1

    async def test_none_does_not_encrypt(self, authority: trustme.CA, rigs: Rigs) -> None:
        rig = rigs()
        async with next_hop(tls=server_context(authority, "x.example")) as hop:
            await rig.send(hop, tls=Tls.NONE)
        assert not hop.mails[0].tls

    async def test_required_verifies(self, authority: trustme.CA, rigs: Rigs) -> None:
        rig = rigs(trusting(authority))
        async with next_hop(tls=server_context(authority, "127.0.0.1")) as hop:
            ending = (await rig.send(hop, tls=Tls.REQUIRED))[ALICE]
        assert ending.verdict is Verdict.DELIVERED
        assert hop.mails[0].tls

    async def test_required_refuses_an_unknown_authority(
        self, authority: trustme.CA, rigs: Rigs
    ) -> None:
        rig = rigs()
        async with next_hop(tls=server_context(authority, "127.0.0.1")) as hop:
            ending = (await rig.send(hop, tls=Tls.REQUIRED))[ALICE]
        assert (ending.verdict, ending.enhanced) == (Verdict.DEFERRED, "4.7.5")
        assert "certificate" in ending.reply
        assert hop.mails == []

    async def test_required_refuses_another_name(self, authority: trustme.CA, rigs: Rigs) -> None:
        rig = rigs(trusting(authority))
        async with next_hop(tls=server_context(authority, "other.example")) as hop:
            ending = (await rig.send(hop, tls=Tls.REQUIRED))[ALICE]
        assert ending.enhanced == "4.7.5"
        assert ending.try_next

    async def test_required_refuses_the_clear(self, rigs: Rigs) -> None:
        rig = rigs()
        async with next_hop() as hop:
            ending = (await rig.send(hop, tls=Tls.REQUIRED))[ALICE]
        assert (ending.verdict, ending.enhanced) == (Verdict.DEFERRED, "4.7.4")
        assert ending.host_fault
        assert hop.mails == []

    async def test_a_hang_up_within_the_handshake_is_noticed(
        self, authority: trustme.CA, rigs: Rigs
    ) -> None:
        rig = rigs(trusting(authority), command_seconds=10)
        async with next_hop(tls=server_context(authority, "127.0.0.1")) as hop:
            hop.on(Rule("STARTTLS", "220 go ahead", drop=True))
            begun = time.monotonic()
            ending = (await rig.send(hop, tls=Tls.REQUIRED))[ALICE]
        assert time.monotonic() - begun < 5
        assert (ending.verdict, ending.enhanced) == (Verdict.DEFERRED, "4.7.5")

    async def test_what_is_slipped_in_before_the_handshake_ends_the_session(
        self, authority: trustme.CA, rigs: Rigs
    ) -> None:
        rig = rigs(trusting(authority))
        async with next_hop(tls=server_context(authority, "127.0.0.1")) as hop:
            hop.on(Rule("STARTTLS", "220 go ahead\r\n250-evil\r\n250 STARTTLS"))
            ending = (await rig.send(hop, tls=Tls.REQUIRED))[ALICE]
        assert ending.verdict is Verdict.DEFERRED
        assert hop.mails == []


def trusting(authority: trustme.CA) -> TlsContexts:
    contexts = TlsContexts.load()
    authority.configure_trust(contexts.required)
    return contexts


async def test_a_cancelled_transaction_leaves_no_session_behind(rigs: Rigs) -> None:
    rig = rigs()
    async with next_hop() as hop:
        hop.on(Rule("DOT", delay=30, times=1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rig.send(hop)
        await until(lambda: rig.value("open_connections") == 0)
        assert (await rig.send(hop))[ALICE].verdict is Verdict.DELIVERED
        assert hop.connections == 2
