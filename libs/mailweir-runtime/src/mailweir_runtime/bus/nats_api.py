"""Requests to JetStream's API, as JSON: what it answers, and which error of ours each of its codes is.

nats-py's typed configuration drops fields that it does not know, so reading a stream's configuration and
writing it back would undo what an admin has set; plain JSON does not.
"""

import json
from typing import Any, Final

from mailweir_runtime.bus.nats_link import NO_RESPONDERS, Link
from mailweir_runtime.bus.nats_wire import Incoming
from mailweir_runtime.bus.ports import BusError, BusFull, BusUnavailable, PubAck, RevisionConflict

PREFIX: Final = "$JS.API."
API_SECONDS: Final = 5.0
# Error codes of nats-server (errors.json there).
NOT_FOUND: Final = frozenset({10014, 10037, 10059})  # consumer, message, stream
_FULL: Final = frozenset(
    {
        10023,  # insufficient resources: the account's or server's limit
        10028,  # memory resources exceeded
        10047,  # storage resources exceeded
        10054,  # message size exceeds maximum allowed
        10077,  # the store refused: maximum bytes exceeded, no space left, ...
    }
)
_CONFLICT: Final = frozenset({10071, 10164})  # wrong last sequence


class ApiRefused(BusUnavailable):
    """Raised when JetStream answers with an error; `code` is its err_code."""

    def __init__(self, code: int, description: str) -> None:
        """Keep the code."""
        self.code = code
        super().__init__(f"JetStream: {description} ({code})")


def failure(error: dict[str, Any]) -> BusError:
    """Return the exception for JetStream's error object."""
    code = int(error.get("err_code", 0))
    description = str(error.get("description", "error"))
    if code in _FULL:
        return BusFull(description)
    if code in _CONFLICT:
        return RevisionConflict(description)
    return ApiRefused(code, description)


def decode(reply: Incoming) -> dict[str, Any]:
    """Return an answer's JSON object; raises what its error stands for."""
    if reply.status == NO_RESPONDERS:
        raise BusUnavailable("nothing listens there: JetStream is off, or the stream is missing")
    try:
        answer = json.loads(reply.data.decode())  # json would guess the encoding first
    except ValueError as error:
        raise BusUnavailable("the broker's answer is no JSON") from error
    if not isinstance(answer, dict):
        raise BusUnavailable("the broker's answer is no object")
    if "error" in answer:
        raise failure(answer["error"])
    return answer


def pub_ack(reply: Incoming) -> PubAck:
    """Return the acknowledgement in a publish's answer; raises what its error stands for."""
    answer = decode(reply)
    return PubAck(str(answer["stream"]), int(answer["seq"]), bool(answer.get("duplicate", False)))


def msg_id_header(msg_id: str) -> bytes:
    """Return the header block of a publish with a dedup id."""
    return f"NATS/1.0\r\nNats-Msg-Id: {msg_id}\r\n\r\n".encode()


def header_block(*fields: tuple[str, str]) -> bytes:
    """Return a header block; the values are ours and hold no line breaks."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def header_fields(block: bytes) -> dict[str, str]:
    """Return the fields of a header block, names in lower case."""
    fields = {}
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields[name.decode("ascii", "replace").lower()] = value.strip().decode(
                "utf-8", "replace"
            )
    return fields


def dumps(request: object) -> bytes:
    """Return a request as JSON."""
    return json.dumps(request, separators=(",", ":")).encode()


async def call(
    link: Link,
    subject: str,
    request: object = None,
    *,
    seconds: float = API_SECONDS,
    resend: bool = True,
) -> dict[str, Any]:
    """Ask JetStream's API; raises BusUnavailable (ApiRefused with its code), BusFull."""
    body = b"" if request is None else dumps(request)
    return decode(await link.request(PREFIX + subject, body, seconds=seconds, resend=resend))


async def find(link: Link, subject: str, request: object = None) -> dict[str, Any] | None:
    """Ask for something that may be missing: None then."""
    try:
        return await call(link, subject, request)
    except ApiRefused as error:
        if error.code in NOT_FOUND:
            return None
        raise
