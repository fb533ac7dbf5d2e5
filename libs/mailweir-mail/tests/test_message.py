"""The whole view: what a reader sees, and the bytes behind it."""

from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mailweir_mail import Address, DefectKind, LinkPlace, Message, ParseLimits, parse
from mailweir_mail._lazy import Frozen, lazy
from mailweir_testkit.mail import touch

MAIL = b"""\
Received: from a.test (a.test [192.0.2.1]) by b.test; Fri, 1 Mar 2024 12:00:02 +0000\r
Received: from c.test ([192.0.2.3]) by a.test; Fri, 1 Mar 2024 12:00:00 +0000\r
From: =?utf-8?q?J=C3=BCrgen?= <juergen@a.test>\r
Sender: robot@a.test\r
Reply-To: Other <other@c.test>\r
To: Ann <ann@b.test>, Staff: bob@b.test;\r
Cc: cc@b.test\r
Subject: A =?utf-8?b?dGVzdMOp?=\r
Date: Fri, 1 Mar 2024 12:00:00 +0000\r
Message-ID: <one@a.test>\r
References: <zero@a.test>\r
 <half@a.test>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=m\r
\r
--m\r
Content-Type: multipart/alternative; boundary=a\r
\r
--a\r
Content-Type: text/plain; charset=utf-8\r
\r
Hello, see http://a.test/plain now.\r
--a\r
Content-Type: text/html; charset=utf-8\r
\r
<p>Hello, <a href="http://a.test/html">click</a>!<p style="display:none">secret\r
--a--\r
--m\r
Content-Type: application/octet-stream; name=doc.pdf\r
Content-Transfer-Encoding: base64\r
\r
JVBERi0xLjQK\r
--m--\r
"""


@pytest.fixture
def message() -> Message:
    """Parse the sample."""
    return parse(MAIL)


def test_people(message: Message) -> None:
    assert message.from_.first == Address("Jürgen", "juergen@a.test")
    assert message.sender.first == Address("", "robot@a.test")
    assert message.reply_to.first == Address("Other", "other@c.test")
    assert [address.address for address in message.to.addresses] == ["ann@b.test", "bob@b.test"]
    assert [group.name for group in message.to.groups] == ["Staff"]
    assert [address.address for address in message.cc.addresses] == ["cc@b.test"]
    assert message.addresses("Bcc").addresses == ()


def test_other_header_facts(message: Message) -> None:
    assert message.subject == "A testé"
    assert message.date == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert message.message_id == "one@a.test"
    assert message.message_ids("References") == ("zero@a.test", "half@a.test")
    assert message.message_ids("In-Reply-To") == ()


def test_hops(message: Message) -> None:
    assert [str(hop.ip) for hop in message.received] == ["192.0.2.1", "192.0.2.3"]
    assert message.received_count == 2


def test_header_and_body_bytes(message: Message) -> None:
    assert message.header_bytes + b"\r\n" + message.body_bytes == MAIL
    assert message.raw is MAIL
    assert MAIL[message.header_end :].startswith(b"\r\n")


def test_text_and_html(message: Message) -> None:
    assert message.text == "Hello, see http://a.test/plain now."
    assert message.rendered == "Hello, click!"
    assert message.html.startswith("<p>Hello")
    assert [part.number for part in message.text_parts] == ["1.1"]
    assert [part.number for part in message.html_parts] == ["1.2"]


def test_links_of_both(message: Message) -> None:
    assert [(link.href, link.place) for link in message.links] == [
        ("http://a.test/plain", LinkPlace.TEXT),
        ("http://a.test/html", LinkPlace.ANCHOR),
    ]


def test_attachments(message: Message) -> None:
    (attachment,) = message.attachments
    assert attachment.filename == "doc.pdf"
    assert attachment.type == "application/octet-stream"
    assert attachment.detected == "application/pdf"
    assert attachment.content == b"%PDF-1.4\n"


def test_a_good_message_has_no_defects(message: Message) -> None:
    assert message.defects == ()


def test_facts_are_computed_once(message: Message) -> None:
    assert message.from_ is message.from_
    assert message.root is message.root
    assert message.links is message.links
    assert message.root.children[0].children[1].html is message.root.children[0].children[1].html


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    message = parse(MAIL)
    assert vars(message) == {}
    assert message.subject
    assert set(vars(message)) == {"headers", "subject"}


def test_a_message_is_immutable_and_says_little(message: Message) -> None:
    with pytest.raises(AttributeError):
        message.raw = b""
    with pytest.raises(AttributeError):
        message.subject = "x"
    assert repr(message) == f"Message({len(MAIL)} octets)"


def test_several_from_fields_are_all_seen() -> None:
    message = parse(b"From: a@b.test\nFrom: c@d.test\n\n")
    assert [address.address for address in message.from_.addresses] == ["a@b.test", "c@d.test"]


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (b"<a@b>", ("a@b",)),
        (b"<a@b> <c@d>", ("a@b", "c@d")),
        (b"<a@b><c@d>", ("a@b", "c@d")),
        (b"a@b", ("a@b",)),
        (b"a@b c@d", ("a@b", "c@d")),
        (b"<>", ()),
        (b"", ()),
        (b"<open", ("open",)),
        (b"text <a@b> more", ("a@b",)),
    ],
)
def test_message_ids(value: bytes, ids: tuple[str, ...]) -> None:
    message = parse(b"References: " + value + b"\n\n")
    assert message.message_ids("references") == ids


def test_html_alone_is_rendered_for_the_text() -> None:
    message = parse(b"Content-Type: text/html\n\n<h1>Hello</h1>world<script>no</script>")
    assert message.text == message.rendered == "Hello\nworld"


def test_text_alone_is_rendered_as_it_is() -> None:
    message = parse(b"A: b\n\nline one\nline two")
    assert message.text == message.rendered == "line one\nline two"
    assert message.html == ""


def test_the_same_link_counts_once() -> None:
    message = parse(b"A: b\n\nhttp://a.test http://a.test")
    assert len(message.links) == 1


def test_limits_of_the_header_are_reported() -> None:
    raw = b"Received: x\n" * 5 + b"To: a@b, c@d, e@f\n\n"
    message = parse(raw, ParseLimits(received_hops=3, addresses=2))
    assert len(message.received) == 3
    assert message.received_count == 5
    assert {defect.kind for defect in message.defects} == {
        DefectKind.RECEIVED_LIMIT,
        DefectKind.ADDRESSES_LIMIT,
    }


def test_defects_say_where() -> None:
    message = parse(
        b"Subject: \xe4\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\xe4\n--b\n"
        b"Content-Transfer-Encoding: nonsense\n\nx\n--b--\n"
    )
    assert {(defect.kind, defect.where) for defect in message.defects} == {
        (DefectKind.HEADER_8BIT, "Subject"),
        (DefectKind.CHARSET_GUESSED, "1"),
        (DefectKind.TRANSFER_UNKNOWN, "2"),
    }


class Once(Frozen):
    """Count how often a lazy fact is computed."""

    calls: ClassVar[list[int]] = []

    @lazy
    def fact(self) -> int:
        """Return how often."""
        self.calls.append(1)
        return len(self.calls)


def test_lazy() -> None:
    one = Once()
    assert (one.fact, one.fact) == (1, 1)
    assert Once().fact == 2
    assert isinstance(Once.fact, lazy)
    assert Once.fact.__doc__ == "Return how often."


# -- whatever the bytes are ---------------------------------------------------------------------------------

PIECES = [
    b"From: ", b"To: a@b, ", b"Subject: ", b"Received: from a by b; ", b"Content-Type: ", b"text/html",
    b"text/plain",     b"multipart/mixed; boundary=b", b"message/rfc822", b"; charset=", b"utf-8",
    b"gb2312", b"koi8-r", b"utf-7",     b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable",
    b"x-uuencode", b"Content-Disposition: ", b"inline",     b"attachment; filename=", b"=?utf-8?q?",
    b"=?gb2312?b?", b"?=", b"=E4", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n",     b" ", b"\t", b"--b",
    b"--b--", b"\n--b\n", b"<a href=", b"<p style='display:none'>", b"</p>", b"<!--",
    b"-->",     b"http://a.test/", b'"', b"'", b"<", b">", b"(", b")", b";", b",", b":", b"=", b"\\",
    b"\0", b"\xff", b"\xe4\xb8",     b"begin 644 a\n", b"aGVsbG8=", b"Date: Fri, 1 Mar 2024",
    b"12:00:00", b"\x1b$B", b"\xff\xfe", b"&#0;", b"<style>",
]  # fmt: skip
mails = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=80).map(
    b"".join
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(mails)
def test_nothing_raises_whatever_the_bytes(raw: bytes) -> None:
    touch(parse(raw))


@settings(max_examples=150, deadline=None)
@given(mails, st.integers(0, 3), st.integers(0, 40))
def test_nothing_raises_at_any_limits(raw: bytes, small: int, bytes_: int) -> None:
    limits = ParseLimits(
        header_lines=small, header_bytes=bytes_, field_bytes=bytes_, parts=small, depth=small,
        encoded_depth=small, received_hops=small, addresses=small, parameters=small, text_bytes=bytes_,
        html_tags=small, html_tokens=small, links=small,
    )  # fmt: skip
    message = parse(raw, limits)
    touch(message)
    assert len(list(message.parts())) <= small + limits.depth + 2


@settings(max_examples=100, deadline=None)
@given(mails)
def test_the_view_is_the_same_every_time(raw: bytes) -> None:
    one, other = parse(raw), parse(raw)
    assert other.defects == one.defects
    assert (other.text, other.rendered, other.links) == (one.text, one.rendered, one.links)
