"""What a next hop's reply, or the lack of one, means for a recipient (RFC 5321 §4.2, RFC 3463)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_REPLY_CHARS: Final = 512
_ENHANCED: Final = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

CODE_SERVICE_CLOSING: Final = 421
CODE_STORAGE: Final = 452
CODE_TOO_MUCH: Final = 552


class Stage(StrEnum):
    """How far a session had come."""

    LOOKUP = "lookup"
    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # up to the 354, and the content before its final dot
    DOT = "dot"  # the final dot was sent


SESSION_STAGES: Final = frozenset(
    {Stage.LOOKUP, Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.TLS}
)
"""Here a refusal is about the host, never about the message."""


class Verdict(StrEnum):
    """What became of a recipient in one attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RemoteReply:
    """A complete reply: its code, and its lines without the code."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the lines joined by blanks."""
        return self.lines[0] if len(self.lines) == 1 else " ".join(self.lines)

    def __str__(self) -> str:
        """Return it as one line, shortened, without control characters."""
        return shorten(f"{self.code} {self.text}")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended for one recipient.

    `try_next`: another host of the destination may do better now. `host_fault`: it says something about
    the host. `unknown`: the message may have arrived all the same.
    """

    verdict: Verdict
    enhanced: str
    reply: str
    try_next: bool = False
    host_fault: bool = False
    unknown: bool = False
    next_hop: str = ""
    remote: bool = False  # `reply` is the next hop's own words


def shorten(text: str) -> str:
    """Return text as one line of bounded length, fit for a record or a header."""
    return _CONTROL.sub(" ", text).strip()[:MAX_REPLY_CHARS]


def enhanced_of(reply: RemoteReply) -> str:
    """Return the reply's enhanced status code, or `<class>.0.0` where it names none that fits."""
    found = _ENHANCED.match(reply.text)
    klass = str(reply.code)[0]
    return found.group() if found and found.group(1) == klass else f"{klass}.0.0"


def judge(reply: RemoteReply, stage: Stage, next_hop: str) -> Ending:
    """Return what a reply means that ends the attempt at a stage: a 2xx to the dot, else a refusal.

    A refusal before MAIL is the host's state of mind, not the message's: it is temporary whatever its
    code. 552 at RCPT means «too many recipients» (RFC 5321 §4.5.3.1.10), which is temporary.
    """
    klass = reply.code // 100
    if klass == 2 and stage is Stage.DOT:
        return _said(reply, Verdict.DELIVERED, next_hop)
    closing = reply.code == CODE_SERVICE_CLOSING
    if stage in SESSION_STAGES or closing or klass not in (4, 5):
        return _said(reply, Verdict.DEFERRED, next_hop, try_next=stage is not Stage.DOT, fault=True)
    if klass == 5 and not (stage is Stage.RCPT and reply.code == CODE_TOO_MUCH):
        return _said(reply, Verdict.FAILED, next_hop)
    return _said(reply, Verdict.DEFERRED, next_hop, try_next=stage is not Stage.DOT)


def _said(
    reply: RemoteReply,
    verdict: Verdict,
    next_hop: str,
    *,
    try_next: bool = False,
    fault: bool = False,
) -> Ending:
    code = _temporary(reply) if verdict is Verdict.DEFERRED else enhanced_of(reply)
    return Ending(
        verdict, code, str(reply),
        try_next=try_next, host_fault=fault, next_hop=next_hop, remote=True,
    )  # fmt: skip


def _temporary(reply: RemoteReply) -> str:
    code = enhanced_of(reply)
    return f"4{code[1:]}" if code[0] in "45" else "4.5.0"


def too_many(ending: Ending) -> bool:
    """Say whether a recipient was put off only because the transaction had enough of them."""
    return ending.remote and ending.reply[:3] in (str(CODE_STORAGE), str(CODE_TOO_MUCH))


def broken(stage: Stage, detail: str, next_hop: str, *, late: bool = False) -> Ending:
    """Return what a lost connection or a timeout (`late`) at a stage means.

    After the final dot nobody knows: another host must not be tried at once.
    """
    unknown = stage is Stage.DOT
    return Ending(
        Verdict.DEFERRED,
        _BROKEN_CODES.get(stage, "4.4.2"),
        shorten(f"{'no answer' if late else 'connection lost'} at {stage}: {detail}"),
        try_next=not unknown,
        host_fault=True,
        unknown=unknown,
        next_hop=next_hop,
    )


_BROKEN_CODES: Final = {Stage.LOOKUP: "4.4.3", Stage.CONNECT: "4.4.1", Stage.TLS: "4.7.5"}


def deferred(
    enhanced: str,
    detail: str,
    next_hop: str = "",
    *,
    try_next: bool = False,
    host_fault: bool = False,
) -> Ending:
    """Return a temporary failure that we found ourselves."""
    return Ending(
        Verdict.DEFERRED, enhanced, shorten(detail),
        try_next=try_next, host_fault=host_fault, next_hop=next_hop,
    )  # fmt: skip


def failed(enhanced: str, detail: str, next_hop: str = "") -> Ending:
    """Return a permanent failure that we found ourselves."""
    return Ending(Verdict.FAILED, enhanced, shorten(detail), next_hop=next_hop)
