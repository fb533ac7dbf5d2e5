"""The scripted next hop speaks SMTP and LMTP, and is as odd as it is told to be."""

import asyncio
import smtplib
from collections.abc import Callable

import pytest

from mailweir_testkit.nexthop import NextHop, Rule, next_hop

pytestmark = pytest.mark.integration

SENDER, A, B = "s@example.org", "a@example.com", "b@example.com"
CONTENT = b".dot\r\n..dots\r\nend\r\n"


async def talk(hop: NextHop, what: Callable[[smtplib.SMTP], object]) -> object:
    """Run a blocking client in a thread."""

    def run() -> object:
        kind = smtplib.LMTP if hop.lmtp else smtplib.SMTP
        with kind(hop.host, hop.port) as client:
            return what(client)

    return await asyncio.to_thread(run)


async def test_a_message_is_taken_as_it_was_sent() -> None:
    async with next_hop() as hop:
        await talk(hop, lambda c: c.sendmail(SENDER, [A, B], CONTENT))
    (mail,) = hop.mails
    assert (mail.sender, mail.recipients, mail.content) == (SENDER, (A, B), CONTENT)
    assert mail.options == "size=19"
    assert (hop.connections, hop.most_open, hop.counted("RCPT")) == (1, 1, 2)


async def test_an_empty_message_ends_at_once() -> None:
    async with next_hop() as hop:
        await talk(hop, lambda c: c.sendmail(SENDER, [A], b""))
    assert hop.mails[0].content in (b"", b"\r\n")


async def test_rules_come_before_the_defaults_and_run_out() -> None:
    async with next_hop() as hop:
        hop.on(Rule("RCPT", "550 5.1.1 no such user", match="b@", times=1))
        first = await talk(hop, lambda c: c.sendmail(SENDER, [A, B], CONTENT))
        second = await talk(hop, lambda c: c.sendmail(SENDER, [A, B], CONTENT))
    assert first == {B: (550, b"5.1.1 no such user")}
    assert second == {}
    assert [m.recipients for m in hop.mails] == [(A,), (A, B)]


async def test_lmtp_answers_for_each_recipient() -> None:
    async with next_hop(lmtp=True) as hop:
        hop.on(Rule("DOT", "552 5.2.2 full", match="b@"))

        def send(client: smtplib.SMTP) -> list[int]:
            client.ehlo_or_helo_if_needed()
            client.mail(SENDER)
            client.rcpt(A)
            client.rcpt(B)
            first, _ = client.data(CONTENT)
            second, _ = client.getreply()
            return [first, second]

        assert await talk(hop, send) == [250, 552]
    assert [m.recipients for m in hop.mails] == [(A,)]


async def test_it_hangs_up_after_taking_the_message() -> None:
    async with next_hop() as hop:
        hop.on(Rule("DOT", drop=True, take=True, times=1))
        with pytest.raises(smtplib.SMTPServerDisconnected):
            await talk(hop, lambda c: c.sendmail(SENDER, [A], CONTENT))
        await hop.wait_for(1)
        hop.on(Rule("CONNECT", "421 4.3.2 no", drop=True))
        with pytest.raises(smtplib.SMTPConnectError):
            await talk(hop, lambda c: c.noop())


async def test_it_answers_late() -> None:
    async with next_hop() as hop:
        hop.on(Rule("NOOP", delay=0.2))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await talk(hop, lambda c: c.noop())
    assert loop.time() - begun >= 0.2


async def test_replies_of_several_lines() -> None:
    async with next_hop() as hop:
        hop.on(Rule("NOOP", "250 one\n250 two"))
        assert await talk(hop, lambda c: c.noop()) == (250, b"one\ntwo")
        assert await talk(hop, lambda c: c.docmd("FROB")) == (500, b"5.5.1 what?")
        assert await talk(hop, lambda c: c.docmd("DATA")) == (503, b"5.5.1 no recipients")


async def test_waiting_for_mail_that_does_not_come() -> None:
    async with next_hop() as hop:
        with pytest.raises(TimeoutError):
            await hop.wait_for(1, seconds=0.01)
