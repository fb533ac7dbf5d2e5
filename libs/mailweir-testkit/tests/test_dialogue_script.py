"""Scripts are read into steps, and what is not of the language is refused with its line."""

import pytest

from mailweir_testkit.dialogue import ScriptError, parse, steps
from mailweir_testkit.dialogue.proxy import Endpoints, v1, v2, v2_local
from mailweir_testkit.dialogue.text import MAX_BYTES, parse_bytes


def said(text: str) -> list[bytes]:
    return [s.data for s in parse(text).steps if isinstance(s, steps.Say)]


def test_lines_are_sent_with_crlf_and_one_blank_belongs_to_the_notation() -> None:
    assert said("C: NOOP\nC:  two\nC:\nC: ü") == [
        b"NOOP\r\n",
        b" two\r\n",
        b"\r\n",
        "ü\r\n".encode(),
    ]


def test_the_head_is_read_apart_from_the_steps() -> None:
    script = parse(
        "# a comment\nabout: What it shows.\n"
        "policy: session.hard_errors = 3\npolicy: identity.hostname = mx.test\n"
        "account: a@b secret a@b @c\nC: NOOP\n",
        "x.smtp",
    )
    assert script.about == "What it shows."
    assert script.policy == (("session.hard_errors", 3), ("identity.hostname", "mx.test"))
    assert script.accounts[0].senders == ("a@b", "@c")
    assert [str(s.place) for s in script.steps] == ["x.smtp:6"]


def test_an_expectation_may_name_alternatives() -> None:
    (step,) = parse("S: 250 ok | 451").steps
    assert step == steps.Expect(step.place, ("250 ok", "451"))


def test_repeat_writes_its_block_out_and_counts() -> None:
    assert said("repeat 3\nC: RCPT TO:<{i}@x>\nend\nC: DATA") == [
        b"RCPT TO:<1@x>\r\n", b"RCPT TO:<2@x>\r\n", b"RCPT TO:<3@x>\r\n", b"DATA\r\n",
    ]  # fmt: skip


def test_helpers_become_what_a_client_sends() -> None:
    assert said("auth plain u p") == [b"AUTH PLAIN AHUAcA==\r\n"]
    assert said("auth login u p") == [b"AUTH LOGIN\r\n", b"dQ==\r\n", b"cA==\r\n"]
    assert said("starttls") == [b"STARTTLS\r\n"]
    assert said("proxy v1 192.0.2.1 192.0.2.9 5000 25") == [
        b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 25\r\n"
    ]


def test_proxy_headers_have_the_published_form() -> None:
    four = Endpoints("192.0.2.1", "192.0.2.9", 5000, 25)
    six = Endpoints("2001:db8::1", "2001:db8::9", 5000, 25)
    assert v1(six) == b"PROXY TCP6 2001:db8::1 2001:db8::9 5000 25\r\n"
    assert v2(four)[:12] == b"\r\n\r\n\x00\r\nQUIT\n"
    assert v2(four)[12:] == b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x09\x13\x88\x00\x19"
    assert v2(six)[12:16] == b"\x21\x21\x00\x24"
    assert v2_local()[12:] == b"\x20\x00\x00\x00"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (r'"a\r\n"', b"a\r\n"),
        (r'"ab" * 3', b"ababab"),
        (r'"a" + "b" * 2 + "\x00\xff\\\""', b'abb\x00\xff\\"'),
        ('"ü"', "ü".encode()),
        ('""', b""),
    ],
)
def test_byte_expressions(text: str, want: bytes) -> None:
    assert parse_bytes(text) == want


@pytest.mark.parametrize(
    "text", ["a", '"a', '"a" "b"', r'"\q"', '"a" * b', f'"a" * {MAX_BYTES + 1}', ""]
)
def test_bad_byte_expressions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"text|escape|expected"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("C: NOOP\nfly", "s:2", "unknown word 'fly'"),
        ("policy: x", "s:1", "write path"),
        ("C: NOOP\npolicy: a = 1", "s:2", "unknown word"),
        ("listener http", "s:1", "the listener is one of"),
        ("close now", "s:1", "nothing may follow"),
        ("took < 3", "s:1", "took >="),
        ("S:", "s:1", "what the reply begins with"),
        ("mail 1 smells nice", "s:1", "from, to, action"),
        ("auth gssapi a b", "s:1", "auth plain"),
        ("proxy v3 a b c d", "s:1", "proxy v1"),
        ("sleep long", "s:1", "could not convert"),
        ("repeat 2\nC: NOOP", "s:1", "repeat without end"),
        ("repeat 2\nrepeat 2", "s:2", "repeat inside repeat"),
        ("repeat many", "s:1", "write repeat N"),
        ("# nothing", "s:1", "no steps"),
        ("repeat 20000\nC: a\nC: b\nend", "s:2", "more than 20000 steps"),
    ],
)
def test_an_error_names_file_line_and_fault(text: str, where: str, what: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(text, "s")
    assert str(caught.value).startswith(f"{where}: ")
    assert what in str(caught.value)
