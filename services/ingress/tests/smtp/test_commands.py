"""Command lines."""

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Decision
from mailweir_ingress.smtp.commands import MailCommand, read_mail, read_rcpt, split_command


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"NOOP", (b"NOOP", "")),
        (b"noop  x ", (b"NOOP", "x")),
        (b"mAiL FROM:<a@b>", (b"MAIL", "FROM:<a@b>")),
        (b"", (b"", "")),
        (b" NOOP", (b"", "NOOP")),
        ("EHLO bücher".encode(), (b"EHLO", "bücher")),
        (b"EHLO \xff", (b"EHLO", "\udcff")),
        (b"EHLO\tx", (b"EHLO\tX", "")),
        (b"NO\rOP", None),
        (b"NOOP\x00", None),
        (b"NOOP \x7f", None),
        (b"NOOP \x1b[2J", None),
    ],
)
def test_a_line_is_a_verb_and_its_argument(line: bytes, expected: tuple[bytes, str] | None) -> None:
    assert split_command(line) == expected


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("FROM:<a@b>", MailCommand("<a@b>")),
        ("from: <a@b>", MailCommand("<a@b>")),
        ("FROM:<>", MailCommand("<>")),
        ("FROM:<a@b> SIZE=100", MailCommand("<a@b>", size=100)),
        ("FROM:<a@b>  size=0  BODY=8bitmime", MailCommand("<a@b>", eight_bit=True)),
        ("FROM:<a@b> BODY=7BIT", MailCommand("<a@b>")),
        ("FROM:<a@b> SMTPUTF8", MailCommand("<a@b>", smtputf8=True)),
        ("FROM:<a@b> AUTH=<> SIZE=5", MailCommand("<a@b>", size=5)),
        ("FROM:<a@b> AUTH=e+3Dmc2@example.com", MailCommand("<a@b>")),
        ('FROM:<"a b>"@c> SIZE=1', MailCommand('<"a b>"@c>', size=1)),
        (r'FROM:<"a\">"@c>', MailCommand(r'<"a\">"@c>')),
        ("FROM:<a@b> ", MailCommand("<a@b>")),
    ],
)
def test_mail_is_read_with_its_parameters(argument: str, expected: MailCommand) -> None:
    assert read_mail(argument) == expected


@pytest.mark.parametrize(
    ("argument", "code", "enhanced"),
    [
        ("", 501, "5.5.4"),
        ("TO:<a@b>", 501, "5.5.4"),
        ("FROM", 501, "5.5.4"),
        ("FROM:", 501, "5.5.4"),
        ("FROM:a@b", 501, "5.5.4"),
        ("FROM :<a@b>", 501, "5.5.4"),
        ("FROM:<a@b", 501, "5.5.4"),
        ("FROM:<a@b>SIZE=1", 501, "5.5.4"),
        ("FROM:<a b@c>", 501, "5.5.4"),
        ('FROM:<"a@b>', 501, "5.5.4"),
        ("FROM:<a@b> SIZE=", 501, "5.5.4"),
        ("FROM:<a@b> SIZE=-1", 501, "5.5.4"),
        ("FROM:<a@b> SIZE=1e3", 501, "5.5.4"),
        ("FROM:<a@b> SIZE=" + "9" * 21, 501, "5.5.4"),
        ("FROM:<a@b> SIZE=١", 501, "5.5.4"),
        ("FROM:<a@b> SIZE=1 SIZE=2", 501, "5.5.4"),
        ("FROM:<a@b> BODY=BINARYMIME", 501, "5.5.4"),
        ("FROM:<a@b> BODY", 501, "5.5.4"),
        ("FROM:<a@b> SMTPUTF8=yes", 501, "5.5.4"),
        ("FROM:<a@b> =x", 501, "5.5.4"),
        ("FROM:<a@b> RET=FULL", 555, "5.5.4"),
        ("FROM:<a@b> XOORG=x SIZE=1", 555, "5.5.4"),
    ],
)
def test_what_is_wrong_with_mail_is_said(argument: str, code: int, enhanced: str) -> None:
    decision = read_mail(argument)
    assert isinstance(decision, Decision)
    assert (decision.reply.code, decision.reply.enhanced) == (code, enhanced)


def test_rcpt_has_a_path_and_no_parameters() -> None:
    assert read_rcpt("TO:<a@b>") == "<a@b>"
    assert read_rcpt("to: <a@b>") == "<a@b>"
    for argument, code in (("TO:<a@b> NOTIFY=NEVER", 555), ("TO:a@b", 501), ("FROM:<a@b>", 501)):
        decision = read_rcpt(argument)
        assert isinstance(decision, Decision)
        assert decision.reply.code == code


@given(st.text(max_size=300))
def test_nothing_makes_the_reading_raise(text: str) -> None:
    for argument in (text, f"FROM:{text}", f"FROM:<a@b> {text}", f"TO:{text}"):
        read_mail(argument)
        read_rcpt(argument)


@pytest.mark.parametrize("unit", ['"', "\\", '"\\', "<", "a"])
def test_no_line_takes_long_to_read(unit: str) -> None:
    read_mail("FROM:<" + unit * 60_000)
    read_rcpt("TO:<" + unit * 60_000)
