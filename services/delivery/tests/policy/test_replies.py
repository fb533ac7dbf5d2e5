"""What a reply, or the lack of one, means."""

import pytest
from hypothesis import given, strategies as st

from mailweir_delivery.policy.replies import (
    MAX_REPLY_CHARS,
    SESSION_STAGES,
    Ending,
    RemoteReply,
    Stage,
    Verdict,
    broken,
    deferred,
    enhanced_of,
    failed,
    judge,
    too_many,
)

HOP = "mx.example:25"


def reply(text: str) -> RemoteReply:
    return RemoteReply(int(text[:3]), (text[4:],))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250 2.0.0 ok", "2.0.0"),
        ("550 5.1.1", "5.1.1"),
        ("550 5.7.509 access denied", "5.7.509"),
        ("550 no such user", "5.0.0"),
        ("450 5.1.1 contradicts itself", "4.0.0"),
        ("550 5.1.1.1 is no code", "5.0.0"),
        ("550 #5.1.1 decorated", "5.0.0"),
        ("421 ", "4.0.0"),
    ],
)
def test_the_enhanced_code_is_found_or_made(text: str, expected: str) -> None:
    assert enhanced_of(reply(text)) == expected


TABLE = [
    # stage, reply, verdict, enhanced, try_next, host_fault
    (Stage.DOT, "250 2.0.0 taken", Verdict.DELIVERED, "2.0.0", False, False),
    (Stage.DOT, "451 4.3.0 later", Verdict.DEFERRED, "4.3.0", False, False),
    (Stage.DOT, "554 5.7.1 spam", Verdict.FAILED, "5.7.1", False, False),
    (Stage.DOT, "421 4.3.2 closing", Verdict.DEFERRED, "4.3.2", False, True),
    (Stage.DOT, "354 again?", Verdict.DEFERRED, "4.5.0", False, True),
    (Stage.DATA, "451 4.3.0 later", Verdict.DEFERRED, "4.3.0", True, False),
    (Stage.DATA, "554 5.5.1 no", Verdict.FAILED, "5.5.1", False, False),
    (Stage.DATA, "250 2.0.0 what?", Verdict.DEFERRED, "4.5.0", True, True),
    (Stage.RCPT, "550 5.1.1 unknown", Verdict.FAILED, "5.1.1", False, False),
    (Stage.RCPT, "450 4.7.1 greylisted", Verdict.DEFERRED, "4.7.1", True, False),
    (Stage.RCPT, "452 4.5.3 too many", Verdict.DEFERRED, "4.5.3", True, False),
    (Stage.RCPT, "552 5.5.3 too many", Verdict.DEFERRED, "4.5.3", True, False),
    (Stage.RCPT, "421 4.7.0 slow down", Verdict.DEFERRED, "4.7.0", True, True),
    (Stage.MAIL, "552 5.3.4 too big", Verdict.FAILED, "5.3.4", False, False),
    (Stage.MAIL, "451 4.1.8 sender?", Verdict.DEFERRED, "4.1.8", True, False),
    (Stage.GREETING, "554 5.7.1 go away", Verdict.DEFERRED, "4.7.1", True, True),
    (Stage.GREETING, "221 bye", Verdict.DEFERRED, "4.5.0", True, True),
    (Stage.HELLO, "550 5.7.1 your name", Verdict.DEFERRED, "4.7.1", True, True),
    (Stage.TLS, "554 5.7.3 not with you", Verdict.DEFERRED, "4.7.3", True, True),
]


@pytest.mark.parametrize(("stage", "text", "verdict", "enhanced", "try_next", "host_fault"), TABLE)
def test_a_reply_at_a_stage(
    stage: Stage, text: str, verdict: Verdict, enhanced: str, try_next: bool, host_fault: bool
) -> None:
    assert judge(reply(text), stage, HOP) == Ending(
        verdict, enhanced, text, try_next, host_fault, next_hop=HOP, remote=True
    )


@given(st.sampled_from(Stage), st.integers(100, 599), st.text(max_size=2000))
def test_every_reply_means_something_safe(stage: Stage, code: int, text: str) -> None:
    ending = judge(RemoteReply(code, (text,)), stage, HOP)
    assert (ending.verdict is Verdict.DELIVERED) == (stage is Stage.DOT and code // 100 == 2)
    assert ending.enhanced[0] == {"delivered": "2", "deferred": "4", "failed": "5"}[ending.verdict]
    assert not (ending.try_next and (stage is Stage.DOT or ending.verdict is not Verdict.DEFERRED))
    if stage in SESSION_STAGES:
        assert ending.verdict is Verdict.DEFERRED
    assert len(ending.reply) <= MAX_REPLY_CHARS
    assert ending.reply.isprintable() or not ending.reply.isascii()


@pytest.mark.parametrize(
    ("stage", "enhanced", "unknown"),
    [
        (Stage.LOOKUP, "4.4.3", False),
        (Stage.CONNECT, "4.4.1", False),
        (Stage.GREETING, "4.4.2", False),
        (Stage.TLS, "4.7.5", False),
        (Stage.MAIL, "4.4.2", False),
        (Stage.DATA, "4.4.2", False),
        (Stage.DOT, "4.4.2", True),
    ],
)
def test_a_connection_that_breaks(stage: Stage, enhanced: str, unknown: bool) -> None:
    ending = broken(stage, "reset", HOP)
    assert (ending.verdict, ending.enhanced) == (Verdict.DEFERRED, enhanced)
    assert ending.unknown is unknown
    assert ending.try_next is not unknown
    assert ending.host_fault
    assert ending.reply == f"connection lost at {stage}: reset"


def test_silence_is_told_from_a_hang_up() -> None:
    assert broken(Stage.MAIL, "timed out", HOP, late=True).reply.startswith("no answer at mail")


def test_too_many_recipients_is_told_from_a_full_disk_of_our_own() -> None:
    assert too_many(judge(reply("452 4.5.3 too many"), Stage.RCPT, HOP))
    assert too_many(judge(reply("552 5.5.3 too many"), Stage.RCPT, HOP))
    assert not too_many(judge(reply("450 4.2.1 busy"), Stage.RCPT, HOP))
    assert not too_many(deferred("4.3.1", "452 looking text of our own"))


def test_replies_of_several_lines_become_one() -> None:
    several = RemoteReply(550, ("5.7.1 first", "5.7.1 second\x00\x1b[31m"))
    assert str(several) == "550 5.7.1 first 5.7.1 second [31m"
    assert enhanced_of(several) == "5.7.1"


def test_what_we_find_ourselves_is_no_remote_reply() -> None:
    assert failed("5.1.2", "no such domain") == Ending(Verdict.FAILED, "5.1.2", "no such domain")
    assert deferred("4.4.3", "a\r\nb", try_next=True).reply == "a b"
