"""SMTP on the wire: bytes in, bytes out."""

import pytest
from hypothesis import given, strategies as st

from mailweir_delivery.adapters.smtp.wire import (
    MAX_LINE_BYTES,
    MAX_REPLY_LINES,
    ReplyParser,
    WireError,
    encode_content,
    extensions,
    mail_command,
    needs_utf8,
    rcpt_command,
    size_limit,
)
from mailweir_delivery.policy.replies import RemoteReply
from mailweir_delivery.ports import Parcel


def parcel(
    content: bytes = b"A: 1\r\n\r\nx\r\n", sender: str = "a@b", utf8: bool = False
) -> Parcel:
    return Parcel("ref", 0, sender, content, 0.0, smtputf8=utf8)


def feed(data: bytes) -> list[RemoteReply]:
    return ReplyParser().feed(data)


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"250 ok\r\n", [RemoteReply(250, ("ok",))]),
        (b"250\r\n", [RemoteReply(250, ("",))]),
        (b"250 ok\n", [RemoteReply(250, ("ok",))]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [RemoteReply(250, ("a", "b", "c"))]),
        (b"250-a\r\n550 b\r\n", [RemoteReply(550, ("a", "b"))]),
        (b"250 a\r\n354 b\r\n", [RemoteReply(250, ("a",)), RemoteReply(354, ("b",))]),
        ("250 grüß\r\n".encode(), [RemoteReply(250, ("grüß",))]),
        (b"250 \xff\r\n", [RemoteReply(250, ("\ufffd",))]),
        (b"250 rest", []),
    ],
)
def test_replies(data: bytes, replies: list[RemoteReply]) -> None:
    assert feed(data) == replies


@given(st.lists(st.sampled_from([b"250 ok", b"250-a", b"550 no", b"354 "]), max_size=20), st.data())
def test_replies_do_not_depend_on_how_they_arrive(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\r\n" for line in [*lines, b"250 end"])
    parser, found, rest = ReplyParser(), [], whole
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found += parser.feed(rest[:size])
        rest = rest[size:]
    assert found == feed(whole)
    assert parser.empty


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"25 ok\r\n",
        b"650 ok\r\n",
        b"250_ok\r\n",
        b"\r\n",
        b"250 " + b"x" * MAX_LINE_BYTES + b"\r\n",
        b"x" * (MAX_LINE_BYTES + 1),
        b"250-x\r\n" * (MAX_REPLY_LINES + 1),
        "２５０ ok\r\n".encode(),
    ],
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(WireError):
        feed(data)


@given(st.binary(max_size=300))
def test_noise_gives_replies_or_an_error_and_nothing_else(data: bytes) -> None:
    try:
        replies = feed(data)
    except WireError:
        return
    assert all(100 <= reply.code <= 599 for reply in replies)


def test_extensions() -> None:
    reply = RemoteReply(250, ("mx greets you", "PIPELINING", "size 1000", "AUTH PLAIN LOGIN", ""))
    assert extensions(reply) == {
        "PIPELINING": "", "SIZE": "1000", "AUTH": "PLAIN LOGIN", "": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("offered", "limit"),
    [
        ({"SIZE": "1000"}, 1000),
        ({"SIZE": ""}, 0),
        ({}, 0),
        ({"SIZE": "9" * 30}, 0),
        ({"SIZE": "-1"}, 0),
    ],
)
def test_the_size_limit(offered: dict[str, str], limit: int) -> None:
    assert size_limit(offered) == limit


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"", b".\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b".a\r\n..b\r\nc.\r\n", b"..a\r\n...b\r\nc.\r\n.\r\n"),
        (b"a\r\n.", b"a\r\n..\r\n.\r\n"),
        (b"a\nb\rc\r\n", b"a\r\nb\r\nc\r\n.\r\n"),
        (b"a\n.\nQUIT\n", b"a\r\n..\r\nQUIT\r\n.\r\n"),
        (b"a\r.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
    ],
)
def test_content_on_the_wire(content: bytes, wire: bytes) -> None:
    assert encode_content(content) == wire


@given(st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a", b"\r\n.\r\n"]), max_size=30))
def test_content_ends_once_and_only_at_its_end(pieces: list[bytes]) -> None:
    wire = encode_content(b"".join(pieces))
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")


@given(st.lists(st.sampled_from([b".", b"..", b"a", b""]), max_size=20))
def test_content_comes_out_as_it_went_in(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    wire = (b"\r\n" + encode_content(content)).removesuffix(b".\r\n")
    assert wire.replace(b"\r\n..", b"\r\n.")[2:] == content


@pytest.mark.parametrize(
    ("message", "offered", "utf8", "command"),
    [
        (parcel(), {}, False, b"MAIL FROM:<a@b>\r\n"),
        (parcel(sender=""), {}, False, b"MAIL FROM:<>\r\n"),
        (parcel(b"1234"), {"SIZE": ""}, False, b"MAIL FROM:<a@b> SIZE=4\r\n"),
        (parcel(b"\xff"), {"8BITMIME": ""}, False, b"MAIL FROM:<a@b> BODY=8BITMIME\r\n"),
        (parcel(b"\xff"), {}, False, b"MAIL FROM:<a@b>\r\n"),
        (parcel(b"a"), {"8BITMIME": ""}, False, b"MAIL FROM:<a@b>\r\n"),
        (parcel(sender="ü@b"), {"SMTPUTF8": ""}, True, "MAIL FROM:<ü@b> SMTPUTF8\r\n".encode()),
    ],
)
def test_mail(message: Parcel, offered: dict[str, str], utf8: bool, command: bytes) -> None:
    assert mail_command(message, offered, utf8=utf8) == command


def test_rcpt() -> None:
    assert rcpt_command('"a b"@c') == b'RCPT TO:<"a b"@c>\r\n'


@pytest.mark.parametrize(
    ("message", "recipient", "needed"),
    [
        (parcel(), "ü@b", False),  # the client did not declare it: the address is what it is
        (parcel(utf8=True), "a@b", False),
        (parcel(utf8=True), "ü@b", True),
        (parcel(utf8=True, sender="ü@b"), "a@b", True),
        (parcel("Subject: ü\r\n\r\nx".encode(), utf8=True), "a@b", True),
        (parcel("Subject: u\r\n\r\nü".encode(), utf8=True), "a@b", False),
        (parcel("Subject: ü".encode(), utf8=True), "a@b", True),
    ],
)
def test_when_smtputf8_is_needed(message: Parcel, recipient: str, needed: bool) -> None:
    assert needs_utf8(message, (recipient,)) is needed
