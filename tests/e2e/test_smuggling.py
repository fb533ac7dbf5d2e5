"""Look-alikes of the end of data (CVE-2023-51764 and kin) never let a second message through.

The sequences are data of others, `MAILWEIR_SHARED/peers/smtp-smuggling`. Each is tried in the middle of a
message, followed by a whole second transaction, against the ingress; what it keeps is handed on as a client
would, to a server that takes a bare LF or CR for a line end: one message must come out there too.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from mailweir_testkit.dialogue import Kept, Opener, parse
from mailweir_testkit.dialogue.wire import Wire, open_wire
from mailweir_testkit.shared import ABSENT, peers_dir

pytestmark = pytest.mark.conformance

PLACE = peers_dir("smtp-smuggling")
DOCUMENT = json.loads((PLACE / "eod-sequences.json").read_text()) if PLACE else {"sequences": []}
SEQUENCES = {s["name"]: s["bytes"].encode("latin-1") for s in DOCUMENT["sequences"]}
SECOND = (
    b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n"
    b"From: boss@example.com\r\nSubject: smuggled\r\n\r\nPay this.\r\n.\r\n"
)
POLICIES = {"normalise": "normalise", "reject": "reject"}


@dataclass(frozen=True)
class Result:
    """What one attempt led to: the replies after 354, and what was kept."""

    replies: Sequence[str]
    kept: Sequence[Kept]


async def attempt(opened: Opener, policy: str, data: bytes) -> Result:
    script = parse(f"policy: message.bare_newline = {policy}\nS: 220")
    async with opened(script) as theatre:
        wire = await open_wire(*theatre.address("mx"))
        for line in (
            "",
            "EHLO x.example.net",
            "MAIL FROM:<a@example.net>",
            "RCPT TO:<b@example.com>",
            "DATA",
        ):
            await wire.say(f"{line}\r\n".encode() if line else b"")
            await wire.hear(5.0)
        assert wire.reply.last.startswith("354")
        await wire.say(data + SECOND)
        replies = await replies_to_the_end(wire)
        await wire.close()
        return Result(replies, await theatre.kept())


async def replies_to_the_end(wire: Wire) -> list[str]:
    """Return all replies up to that of QUIT, or to the end of the connection."""
    replies = [(await wire.hear(5.0)).last]
    await wire.say(b"QUIT\r\n")
    while replies[-1] and not replies[-1].startswith(("221", "421")):
        replies.append((await wire.hear(2.0)).last)
    return replies


@pytest.mark.skipif(PLACE is None, reason=ABSENT)
def test_all_twelve_are_here() -> None:
    assert len(SEQUENCES) == 12
    assert b"\r\n.\r\n" not in SEQUENCES.values()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", SEQUENCES)
async def test_a_look_alike_does_not_end_the_message(
    name: str, policy: str, opened: Opener
) -> None:
    result = await attempt(opened, policy, b"Subject: outer\r\n\r\nbody" + SEQUENCES[name])
    # one reply to one message, and one to QUIT: the second transaction was never heard as commands
    assert len(result.replies) == 2, result.replies
    assert result.replies[0][:1] in ("2", "5")
    assert result.replies[1].startswith("221")
    assert len(result.kept) == (1 if result.replies[0].startswith("2") else 0)
    for mail in result.kept:
        assert mail.recipients == ("b@example.com",)
        assert b"Subject: smuggled" in mail.content
        assert len(lenient_messages(mail.content)) == 1


@pytest.mark.parametrize("name", SEQUENCES)
async def test_a_look_alike_at_the_very_start_or_twice(name: str, opened: Opener) -> None:
    for data in (SEQUENCES[name], SEQUENCES[name] * 2):
        result = await attempt(opened, "normalise", data)
        assert len(result.kept) <= 1
        assert len(result.replies) == 2, result.replies
        assert all(len(lenient_messages(mail.content)) == 1 for mail in result.kept)


async def test_the_true_end_ends_it_and_the_rest_is_commands(opened: Opener) -> None:
    """The control: with the legal end both messages are there, so the tests above can fail."""
    result = await attempt(opened, "normalise", b"Subject: outer\r\n\r\nbody\r\n.\r\n")
    assert [mail.sender for mail in result.kept][:1] == ["a@example.net"]
    assert len(result.replies) > 2


async def test_commands_behind_data_in_one_packet_are_refused(opened: Opener) -> None:
    """The pipelining case: whoever does not wait for 354 is told 5xx, and nothing of it is taken."""
    async with opened(parse("S: 220")) as theatre:
        wire = await open_wire(*theatre.address("mx"))
        await wire.hear(5.0)
        await wire.say(b"EHLO x.example.net\r\n")
        await wire.hear(5.0)
        await wire.say(
            b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
            b"Subject: outer\r\n\r\nbody\n.\n" + SECOND
        )
        replies = [(await wire.hear(5.0)).last for _ in range(3)]
        assert replies[2].startswith("5")
        rest, _ = await wire.rest(2.0)
        assert b"250" not in rest
        await wire.close()
        await asyncio.sleep(0.05)
        assert await theatre.kept() == []


def lenient_messages(content: bytes) -> list[bytes]:
    """Send a message as a client must, and cut it as a server does that takes any newline for one.

    Such servers exist behind gateways; what reaches them must be one message even so.
    """
    wire = content.replace(b"\r\n.", b"\r\n..")
    wire = (b"." + wire if wire.startswith(b".") else wire) + b".\r\n"
    ends = re.split(rb"(?:\r\n|\n|\r)\.(?:\r\n|\n|\r)", wire)
    return ends if ends[-1] else ends[:-1]


def test_the_lenient_server_would_be_fooled_by_what_was_sent() -> None:
    assert len(lenient_messages(b"a\n.\nb\r\n")) == 2
    assert len(lenient_messages(b"a\r.\rb\r\n")) == 2
    assert len(lenient_messages(b"a\r\n.\r\nb\r\n")) == 1
