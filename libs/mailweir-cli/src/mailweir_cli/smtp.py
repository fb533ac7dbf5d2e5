"""Sending mails over SMTP and keeping what the server said to each."""

import asyncio
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiosmtplib

MESSAGES_PER_CONNECTION: Final = 50
REPLY_SECONDS: Final = 120.0
_REFERENCE: Final = re.compile(r"\[([0-9A-Z]{26}(?:-\d+)?)\]")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail to send; `name` is how the caller knows it again."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `code` 0: it said nothing, and `reply` is what happened to the connection."""

    name: str
    code: int
    reply: str
    seconds: float
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def accepted(self) -> bool:
        """Say whether the server took the mail, for all of its recipients."""
        return self.code // 100 == 2 and not self.refused

    @property
    def reference(self) -> str:
        """Return the reference id in the reply, or the empty string."""
        found = _REFERENCE.search(self.reply)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to send."""

    host: str
    port: int


async def send_all(
    server: Server,
    mails: Sequence[Outgoing],
    jobs: int = 1,
    answered: Callable[[Answer], None] = lambda _: None,
) -> list[Answer]:
    """Send over up to `jobs` connections; returns the answers in the order of the mails.

    `answered` is called as they come. Raises OSError where the first connection cannot be made; one that
    breaks later is an answer with code 0 for the mail it carried.
    """
    work = _Work(server, deque(enumerate(mails)), answered)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(jobs, len(mails))):
                group.create_task(work.run())
    except* OSError as errors:
        raise _first(errors) from None
    return [work.answers[number] for number in range(len(mails))]


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Work:
    """The mails that several connections share."""

    def __init__(
        self,
        server: Server,
        waiting: deque[tuple[int, Outgoing]],
        answered: Callable[[Answer], None],
    ) -> None:
        self.answers: dict[int, Answer] = {}
        self._server = server
        self._waiting = waiting
        self._answered = answered

    async def run(self) -> None:
        """Send what waits, over one connection after the other."""
        while self._waiting:
            client = await _connected(self._server)
            try:
                for _ in range(MESSAGES_PER_CONNECTION):
                    if not self._waiting or not client.is_connected:
                        break
                    number, mail = self._waiting.popleft()
                    answer = await _send(client, mail)
                    self.answers[number] = answer
                    self._answered(answer)
            finally:
                await _quit(client)


async def _connected(server: Server) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=socket.gethostname(),
        timeout=REPLY_SECONDS,
        start_tls=False,
    )
    try:
        await client.connect()
    except aiosmtplib.SMTPConnectError as error:
        cause = error.__cause__
        reason = str(error) if cause is None or isinstance(cause, TimeoutError) else str(cause)
        raise ConnectionError(f"no connection to {server.host}:{server.port}: {reason}") from error
    except aiosmtplib.SMTPException as error:
        raise ConnectionError(f"{server.host}:{server.port} said: {_text(error)}") from error
    return client


async def _quit(client: aiosmtplib.SMTP) -> None:
    if client.is_connected:
        try:
            await client.quit(timeout=5.0)
        except aiosmtplib.SMTPException:
            client.close()


async def _send(client: aiosmtplib.SMTP, mail: Outgoing) -> Answer:
    begin = time.monotonic()
    refused: list[tuple[str, str]] = []
    try:
        code, reply = await _transaction(client, mail, refused)
    except aiosmtplib.SMTPResponseException as error:
        code, reply = error.code, _text(error)
        await _reset(client)
    except aiosmtplib.SMTPException as error:
        code, reply = 0, _text(error)
        client.close()
    return Answer(mail.name, code, reply, time.monotonic() - begin, tuple(refused))


async def _transaction(
    client: aiosmtplib.SMTP, mail: Outgoing, refused: list[tuple[str, str]]
) -> tuple[int, str]:
    await client.ehlo()
    international = not all(a.isascii() for a in (mail.sender, *mail.recipients))
    encoding = "utf-8" if international else "ascii"
    await client.mail(mail.sender, options=_options(client, mail, international), encoding=encoding)
    last = (0, "no recipient")
    for recipient in mail.recipients:
        try:
            await client.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as error:
            last = (error.code, _text(error))
            refused.append((recipient, f"{error.code} {_text(error)}"))
    if len(refused) == len(mail.recipients):
        await _reset(client)
        return last
    done = await client.data(mail.content)
    return done.code, _one_line(done.message)


def _options(client: aiosmtplib.SMTP, mail: Outgoing, international: bool) -> list[str]:
    options = []
    if client.supports_extension("size"):
        options.append(f"SIZE={len(mail.content)}")
    if client.supports_extension("8bitmime") and not mail.content.isascii():
        options.append("BODY=8BITMIME")
    if client.supports_extension("smtputf8") and international:
        options.append("SMTPUTF8")
    return options


async def _reset(client: aiosmtplib.SMTP) -> None:
    if client.is_connected:
        try:
            await client.rset()
        except aiosmtplib.SMTPException:
            client.close()


def _text(error: aiosmtplib.SMTPException) -> str:
    return _one_line(getattr(error, "message", "") or str(error) or type(error).__name__)


def _one_line(text: str) -> str:
    return " ".join(text.split())
