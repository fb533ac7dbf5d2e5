"""The virus scanner clamd over its own protocol, and a scanner in memory.

One connection a scan, as clamd's own clients do: `zINSTREAM\\0`, then chunks with their length before them in
four octets, a chunk of length 0, and one reply that ends with NUL. At most so many scans at once.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from mailweir_core.outcome import Lookup
from mailweir_runtime.listen import HostPort, UnixPath, parse_listen
from mailweir_scoring.policy.antivirus import ScanAnswer, ScanQuestion, ScanStatus

CHUNK: Final = 128 * 1024
MOST_REPLY_BYTES: Final = 4096
MOST_AT_ONCE: Final = 4
DETAIL_CHARACTERS: Final = 120
KIND: Final = "antivirus"
_COMMAND: Final = b"zINSTREAM\0"
_END: Final = bytes(4)


class ClamdScanner:
    """Answers from a clamd. Never raises: whatever goes wrong is a temperror that says what."""

    def __init__(self, target: str, *, at_once: int = MOST_AT_ONCE) -> None:
        """Take `host:port` or `unix:/path`; nothing is connected yet. Raises ValueError for another form."""
        self._target = parse_listen(target)
        self._free = asyncio.Semaphore(at_once)

    async def answer(
        self, questions: tuple[ScanQuestion, ...], seconds: float
    ) -> tuple[ScanAnswer, ...]:
        """Scan one after the other; all together within `seconds`."""
        ends = asyncio.get_running_loop().time() + seconds
        return tuple([await self._one(question, ends) for question in questions])

    def describe(self, question: ScanQuestion, answer: ScanAnswer) -> Lookup:
        """Return the look-up: how much was scanned, and what was said."""
        return lookup(question, answer)

    async def _one(self, question: ScanQuestion, ends: float) -> ScanAnswer:
        own = asyncio.get_running_loop().time() + question.seconds
        try:
            async with asyncio.timeout_at(min(own, ends)), self._free:
                reply = await self._ask(memoryview(question.raw)[: question.max_bytes])
        except TimeoutError:
            return _failed(f"no answer within {question.seconds:g} s")
        except OSError as error:
            return _failed(error.strerror or str(error) or type(error).__name__)
        except asyncio.IncompleteReadError:
            return _failed("the connection was closed before an answer")
        except asyncio.LimitOverrunError:
            return _failed(f"a reply of more than {MOST_REPLY_BYTES} octets")
        return read_reply(reply, partial=len(question.raw) > question.max_bytes)

    async def _ask(self, content: memoryview) -> bytes:
        reader, writer = await self._open()
        try:
            async with asyncio.TaskGroup() as tasks:
                # clamd answers and closes in the middle of a stream that is too long for it
                sending = tasks.create_task(_send(writer, content))
                reply = await reader.readuntil(b"\0")
                sending.cancel()
            return reply
        except ExceptionGroup as group:
            raise _first(group) from group
        finally:
            # what is not sent yet need not be: the answer is here, or nobody waits for it
            writer.transport.abort()
            with suppress(OSError):  # how the connection ended; that was told above if it matters
                await writer.wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._target
        if isinstance(target, UnixPath):
            return await asyncio.open_unix_connection(target.path, limit=MOST_REPLY_BYTES)
        return await _open_tcp(target)


async def _open_tcp(target: HostPort) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(target.host, target.port, limit=MOST_REPLY_BYTES)


async def _send(writer: asyncio.StreamWriter, content: memoryview) -> None:
    """Send the whole stream; a peer that stops reading may have answered, so that is not for here to say."""
    try:
        writer.write(_COMMAND)
        for at in range(0, len(content), CHUNK):
            piece = content[at : at + CHUNK]
            writer.write(len(piece).to_bytes(4, "big"))
            writer.write(piece)
            await writer.drain()
        writer.write(_END)
        await writer.drain()
    except ConnectionError:
        return


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def read_reply(reply: bytes, *, partial: bool = False) -> ScanAnswer:
    """Return what a reply to INSTREAM says; everything but `OK` and `<name> FOUND` is a failure."""
    text = reply.rstrip(b"\0\r\n").decode("utf-8", "replace")
    verdict = text.removeprefix("stream: ")
    if verdict == "OK" and verdict != text:
        return ScanAnswer(ScanStatus.CLEAN, partial=partial)
    name, space, found = verdict.rpartition(" ")
    if found == "FOUND" and space and name.strip() and verdict != text:
        return ScanAnswer(ScanStatus.INFECTED, name.strip()[:DETAIL_CHARACTERS], partial=partial)
    return _failed(text or "an empty reply")


def lookup(question: ScanQuestion, answer: ScanAnswer) -> Lookup:
    """Return what the record keeps of a scan."""
    scanned = min(len(question.raw), question.max_bytes)
    asked = f"the first {scanned} octets" if answer.partial else f"{scanned} octets"
    said = answer.name or answer.detail
    return Lookup(KIND, asked, f"{answer.status}: {said}" if said else str(answer.status))


def _failed(detail: str) -> ScanAnswer:
    return ScanAnswer(ScanStatus.TEMPERROR, detail=detail[:DETAIL_CHARACTERS])


class MemoryScanner:
    """Finds what it was told to find. Set `outage` to have every scan fail with it."""

    def __init__(self, signatures: Mapping[bytes, str]) -> None:
        """Know names by the octets they stand for."""
        self.outage = ""
        self._signatures = signatures

    async def answer(
        self, questions: tuple[ScanQuestion, ...], seconds: float
    ) -> tuple[ScanAnswer, ...]:
        """Scan at once; `seconds` always suffice."""
        del seconds
        return tuple(map(self._one, questions))

    def describe(self, question: ScanQuestion, answer: ScanAnswer) -> Lookup:
        """Return the look-up: how much was scanned, and what was said."""
        return lookup(question, answer)

    def _one(self, question: ScanQuestion) -> ScanAnswer:
        if self.outage:
            return _failed(self.outage)
        scanned = question.raw[: question.max_bytes]
        partial = len(question.raw) > question.max_bytes
        for octets, name in self._signatures.items():
            if octets in scanned:
                return ScanAnswer(ScanStatus.INFECTED, name, partial=partial)
        return ScanAnswer(ScanStatus.CLEAN, partial=partial)
