"""Playing a script against a server."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from mailweir_testkit.dialogue import steps
from mailweir_testkit.dialogue.errors import DialogueError, Place
from mailweir_testkit.dialogue.script import Script
from mailweir_testkit.dialogue.steps import MailWord, Step
from mailweir_testkit.dialogue.wire import Wire, open_wire

_POLL_SECONDS: Final = 0.01
_SERVER_NAME: Final = "localhost"


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that the server took: its envelope, the action, the content as it will be delivered."""

    sender: str
    recipients: tuple[str, ...]
    action: str
    content: bytes


class Theatre(Protocol):
    """The server a script is played against."""

    def address(self, listener: str) -> tuple[str, int]:
        """Return host and port of a door: mx, submission or submissions."""
        ...

    def client_tls(self) -> ssl.SSLContext:
        """Return a context that trusts the server's certificate for `localhost`."""
        ...

    async def kept(self) -> Sequence[Kept]:
        """Return the messages taken so far, in order."""
        ...


Opener = Callable[[Script], AbstractAsyncContextManager[Theatre]]
"""Makes a theatre with the policy and the accounts that a script asks for."""


async def play(script: Script, theatre: Theatre) -> None:
    """Run a script to its end; raises DialogueError at the first thing that is not as it says."""
    stage = _Stage(theatre)
    try:
        for step in script.steps:
            await stage.do(step)
    finally:
        await stage.clear()


class _Stage:
    """Where a script stands: its connections, the door, the patience."""

    def __init__(self, theatre: Theatre) -> None:
        self._theatre = theatre
        self._wires: dict[str, Wire] = {}
        self._name = "first"
        self._listener = "mx"
        self._patience = 5.0

    async def do(self, step: Step) -> None:
        match step:
            case steps.Listen():
                self._listener = step.listener
            case steps.Use():
                self._name = step.name
            case steps.Patience():
                self._patience = step.seconds
            case steps.Sleep():
                await asyncio.sleep(step.seconds)
            case steps.Accepted() | steps.MailIs():
                await self._about_mail(step)
            case _:
                await self._on_wire(step)

    async def _on_wire(self, step: Step) -> None:
        match step:
            case steps.Open():
                await self._drop()
                await self._wire(step.place)
            case steps.Say():
                await (await self._wire(step.place)).say(step.data)
            case steps.Expect():
                await self._expect(step)
            case steps.ReplyLine():
                self._reply_line(step, await self._wire(step.place))
            case steps.Took():
                self._took(step, await self._wire(step.place))
            case steps.Hang():
                await self._hang(step)
            case steps.Tls():
                await self._tls(step)
            case steps.ExpectClose() | steps.ExpectSilence():
                await self._end(step)

    async def _wire(self, place: Place) -> Wire:
        """Return the connection in use, made now if there is none."""
        wire = self._wires.get(self._name)
        if wire is None:
            host, port = self._theatre.address(self._listener)
            try:
                wire = await open_wire(host, port)
            except OSError as error:
                raise DialogueError(place, f"a connection to {host}:{port}", f"{error}") from error
            self._wires[self._name] = wire
            if self._listener == "submissions":
                await self._tls(steps.Tls(place))
        return wire

    async def _drop(self) -> None:
        wire = self._wires.pop(self._name, None)
        if wire is not None:
            await wire.close()

    async def clear(self) -> None:
        for wire in self._wires.values():
            await wire.close()

    async def _expect(self, step: steps.Expect) -> None:
        wire = await self._wire(step.place)
        heard = await wire.hear(self._patience)
        if not heard.last.startswith(step.prefixes):
            wanted = " or ".join(repr(p) for p in step.prefixes)
            raise DialogueError(step.place, wanted, str(heard))

    @staticmethod
    def _reply_line(step: steps.ReplyLine, wire: Wire) -> None:
        found = any(line[4:].startswith(step.text) for line in wire.reply.lines)
        if found is not step.wanted:
            what = "a" if step.wanted else "no"
            raise DialogueError(step.place, f"{what} line {step.text!r}", str(wire.reply))

    @staticmethod
    def _took(step: steps.Took, wire: Wire) -> None:
        took = wire.reply_seconds
        good = took >= step.seconds if step.sign == ">=" else took <= step.seconds
        if not good:
            wanted = f"the reply {step.sign} {step.seconds:g} s"
            raise DialogueError(step.place, wanted, f"it took {took:.3f} s")

    async def _hang(self, step: steps.Hang) -> None:
        wire = await self._wire(step.place)
        match step.how:
            case "half-close":
                wire.half_close()
            case "abort":
                wire.abort()
                del self._wires[self._name]
            case "close":
                await self._drop()

    async def _tls(self, step: steps.Tls) -> None:
        wire = await self._wire(step.place)
        trouble = await wire.start_tls(self._theatre.client_tls(), _SERVER_NAME, self._patience)
        if trouble:
            raise DialogueError(step.place, "TLS", trouble)

    async def _end(self, step: steps.ExpectClose | steps.ExpectSilence) -> None:
        wire = await self._wire(step.place)
        closing = isinstance(step, steps.ExpectClose)
        seconds = step.seconds if isinstance(step, steps.ExpectSilence) else self._patience
        got, closed = await wire.rest(seconds)
        if got or closed is not closing:
            wanted = "the end of the connection" if closing else "silence"
            came = f"the server said {got!r}" if got else "it was not closed"
            raise DialogueError(step.place, wanted, came if got or closing else "it was closed")

    async def _about_mail(self, step: steps.Accepted | steps.MailIs) -> None:
        number = step.count if isinstance(step, steps.Accepted) else step.number
        kept = await self._kept(number)
        if isinstance(step, steps.Accepted):
            if len(kept) != number:
                wanted = f"{number} messages taken"
                raise DialogueError(step.place, wanted, f"there are {len(kept)}: {kept!r:.500}")
        elif not 1 <= number <= len(kept):
            wanted = f"a message number {number}"
            raise DialogueError(step.place, wanted, f"only {len(kept)} were taken")
        else:
            _check(step, kept[number - 1])

    async def _kept(self, number: int) -> Sequence[Kept]:
        until = time.monotonic() + self._patience
        while True:
            kept = await self._theatre.kept()
            if len(kept) >= number or time.monotonic() > until:
                return kept
            await asyncio.sleep(_POLL_SECONDS)


def _check(step: steps.MailIs, mail: Kept) -> None:
    text = step.value.decode("utf-8", "surrogateescape")
    facts = {
        MailWord.FROM: (mail.sender or "<>") == text,
        MailWord.TO: " ".join(mail.recipients) == text,
        MailWord.ACTION: mail.action == text,
        MailWord.HAS: step.value in mail.content,
        MailWord.LACKS: step.value not in mail.content,
        MailWord.ENDS: mail.content.endswith(step.value),
    }
    if not facts[step.what]:
        raise DialogueError(
            step.place, f"{step.what} {step.value!r}", f"the message is {mail!r:.2000}"
        )
