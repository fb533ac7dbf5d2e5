"""How much a session and a message may ask of us. Numbers: RFC 5321 §4.5.3 and the peers' defaults."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Bytes, Seconds


class Shedding(PolicyModel):
    """Who is turned away while there is more to do than can be done: strangers, as many of them as needed.

    Clients that an allow list, trust, a login or their past vouches for are let in until a limit is reached.
    """

    enabled: bool = True
    lag_seconds: Annotated[float, Field(gt=0, le=10)] = 0.25
    """The process has too much to do when it is so late, in the mean, with what is due."""
    answer_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """There is too much to judge or to store when messages wait so long, in the mean, for their answer."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of `session.sessions` or `session.memory_bytes` that strangers leave to the others."""


class SessionLimits(PolicyModel):
    """Bounds of one SMTP session and of all together."""

    sessions: int = Field(2000, ge=1, le=100_000)
    """Sessions open at once per process; more get 421."""
    sessions_per_client: int = Field(50, ge=1, le=10_000)
    """Sessions open at once per client network (IPv4 address, IPv6 /64) and process."""
    memory_bytes: int = Field(268_435_456, ge=1_048_576, le=17_179_869_184)
    """Message bytes held in memory at once over all sessions of a process; more get 451."""
    session_seconds: Seconds = 3600.0
    """A session ends at this age, no matter what."""
    idle_seconds: Seconds = 300.0
    """Longest wait for the next command or data (RFC 5321 §4.5.3.2.7: 5 minutes)."""
    minimum_data_rate: int = Field(500, ge=0, le=1_000_000)
    """Bytes per second below which DATA ends with 421, after the first 10 seconds; 0 is off."""
    command_line_bytes: int = Field(2048, ge=512, le=65_536)
    """Longest command line, CRLF included (512 plus what extensions add)."""
    soft_errors: int = Field(10, ge=1, le=1000)
    """Errors in a session after which every reply is delayed by a second."""
    hard_errors: int = Field(20, ge=1, le=1000)
    """Errors in a session after which it ends with 421."""
    junk_commands: int = Field(100, ge=1, le=10_000)
    """NOOP, RSET, VRFY and the like in a session after which each counts as an error."""
    messages_per_session: int = Field(100, ge=1, le=100_000)
    """Messages in a session after which it ends with 421."""
    recipients_per_message: int = Field(100, ge=1, le=1000)
    """Recipients of one message; further ones get 452."""
    auth_failures: int = Field(3, ge=1, le=100)
    """Failed AUTH commands after which the session ends."""
    auth_failure_delay_seconds: float = Field(5.0, ge=0, le=60)
    """Delay of the reply to a failed AUTH."""
    reject_early_talkers: bool = True
    """Turn away clients on port 25 that talk before the banner, as no mail server does."""
    reject_early_data: bool = True
    """End a session whose client sends a message without waiting for the reply to DATA (RFC 2920 §3.1)."""
    shedding: Shedding = Shedding()

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.soft_errors > self.hard_errors:
            raise ValueError("soft_errors must not be over hard_errors")
        return self


class MessageLimits(PolicyModel):
    """Bounds of one message."""

    bytes: Bytes = 26_214_400
    """Largest message; announced with SIZE and enforced while it is read."""
    line_bytes: int = Field(0, ge=0, le=1_048_576)
    """Longest line of data that is taken (RFC 5321: 998); 0 takes any, as nearly every server does."""
    header_lines: int = Field(1000, ge=10, le=100_000)
    """Header lines that are looked at; a message with more is refused."""
    parts: int = Field(1000, ge=1, le=100_000)
    """MIME parts that are looked at."""
    depth: int = Field(50, ge=1, le=1000)
    """Nesting of MIME parts that is followed."""
    received_hops: int = Field(50, ge=5, le=1000)
    """Received headers beyond which a message is taken for a loop."""
    bare_newline: Literal["normalise", "reject"] = "normalise"
    """What becomes of a bare CR or LF in data; it never ends a message."""
