"""A spam botnet and a few good senders beside it, both paced by the clock and not by the replies.

    python -m mailweir_testkit.cluster.botnet bots HOST RECORD --rate 100 --seconds 60 --sources 1000 30000
    python -m mailweir_testkit.cluster.botnet good HOST RECORD --rate 4 --seconds 120 --sources 100 140

Bots come each from another address of the range, and never twice if they fall through: some talk before the
banner, some try a dictionary of recipients in one pipelined burst, some wait for their turn and send two
mails of 40 kB on one connection. Good senders send small mails and come again after 4xx, as mail servers do.
`RECORD` gets a line of JSON per bot or mail, see `Row`. Run here: `flooding(…)`, `read(…)`.
"""

import argparse
import asyncio
import json
import random
import re
import resource
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from subprocess import Popen
from typing import Final, TextIO, cast

import uvloop

from mailweir_testkit.builders import mail_of_size
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.tool import PYTHON, Cluster, source
from mailweir_testkit.load import Letter

TICK_SECONDS: Final = 0.005
MAX_OPEN: Final = 4000
"""Connections open at once; who would be one more is noted as `unsent`."""
PATIENCE_SECONDS: Final = 40.0
"""How long a bot waits for a reply before it hangs up."""
AGAIN_SECONDS: Final = 1.0
"""How soon a good sender comes again; it gives up after GIVE_UP_SECONDS."""
GIVE_UP_SECONDS: Final = 90.0
MAIL_BYTES: Final = 40_000
SPARE_FILES: Final = 200
CONTENTS: Final = 40
"""Different mails that bots have."""
DICTIONARY: Final = tuple(
    f"{word}{number}@example.com"
    for word in ("info", "sales", "admin", "john", "mary", "office", "contact", "test")
    for number in range(3)
)
KINDS: Final = ("early", "dictionary", "mail")
SHARES: Final = (0.3, 0.2, 0.5)
"""Of each kind of bots."""
_REFERENCE: Final = re.compile(r"\[([0-9A-Z]{26}(?:-\d+)?)\]")
_STRIDE: Final = 251
"""More than a network's addresses, and prime."""
_CODE_LENGTH: Final = 9
"""So much of a reply is code and enhanced code."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a bot's visit, or of a good sender's mail.

    `at`: when it fell due, in this machine's monotonic seconds. `took`: until its end or, of a mail, its 250.
    `told`: code and enhanced code of the last reply, or how it ended without one: broken, refused, silent,
    unsent. `tries`: connections. `earlier`: what was told to tries before.
    """

    kind: str
    at: float
    took: float
    told: str
    ref: str = ""
    tries: int = 1
    earlier: tuple[str, ...] = ()

    @property
    def taken(self) -> bool:
        """Say whether a mail was taken, by a bot the last one."""
        return self.told.startswith("250") and bool(self.ref)


@dataclass(frozen=True, slots=True)
class Step:
    """What is said, how many replies that gets, and what the last of them begins with where it goes on."""

    says: bytes
    replies: int = 1
    needs: str = "2"


def script(kind: str, letters: Sequence[Letter]) -> tuple[Step, ...]:
    """Return the steps of a bot, or (`mail`) of anybody who sends letters on one connection."""
    if kind == "early":
        said = b"EHLO x\r\nMAIL FROM:<a@spam.example>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n"
        return (Step(said, needs=""),)
    steps = [Step(b""), Step(b"EHLO client.example.net\r\n")]
    if kind == "dictionary":
        lines = b"".join(f"RCPT TO:<{who}>\r\n".encode() for who in DICTIONARY)
        steps.append(Step(b"MAIL FROM:<a@spam.example>\r\n" + lines, 1 + len(DICTIONARY), ""))
        return tuple(steps)
    for letter in letters:
        lines = b"".join(f"RCPT TO:<{who}>\r\n".encode() for who in letter.recipients)
        envelope = f"MAIL FROM:<{letter.sender}>\r\n".encode() + lines + b"DATA\r\n"
        steps.append(Step(envelope, 2 + len(letter.recipients), "3"))
        steps.append(Step(letter.content + b".\r\n"))
    return tuple(steps)


class Visit(asyncio.Protocol):
    """One connection that plays a script; `over` gets the last reply, or `broken`."""

    __slots__ = ("_buffer", "_left", "_pipe", "_rest", "_step", "over")

    def __init__(self, steps: Sequence[Step], over: "asyncio.Future[str]") -> None:
        """Play the steps; the first may be to listen."""
        self._rest = iter(steps)
        self._step = next(self._rest)
        self._left = self._step.replies
        self._buffer = bytearray()
        self.over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say the first thing."""
        self._pipe = cast(asyncio.Transport, transport)
        self._pipe.write(self._step.says)

    def data_received(self, data: bytes) -> None:
        """Count replies; go on when all have come."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).decode("utf-8", "replace").rstrip()
            del self._buffer[: end + 1]
            if line[3:4] != "-":
                self._hear(line)

    def _hear(self, line: str) -> None:
        if self.over.done():
            return
        self._left -= 1
        if line.startswith("421") or (not self._left and not line.startswith(self._step.needs)):
            self._end(line)
        elif not self._left:
            following = next(self._rest, None)
            if following is None:
                self._end(line)
                return
            self._step, self._left = following, following.replies
            self._pipe.write(following.says)

    def _end(self, line: str) -> None:
        self.over.set_result(line)
        self._pipe.write(b"QUIT\r\n")
        self._pipe.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End without a reply, if it has not ended."""
        del exc
        if not self.over.done():
            self.over.set_result("broken")


async def visit(host: str, port: int, own: str, steps: Sequence[Step]) -> str:
    """Play a script from an address of one's own; returns the last reply, or how it ended."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[str] = loop.create_future()
    local = (own, 0) if own else None
    pipe: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            pipe, _ = await loop.create_connection(
                lambda: Visit(steps, over), host, port, local_addr=local
            )
            return await over
    except TimeoutError:
        return "silent"
    except OSError:
        return "refused"
    finally:
        if pipe is not None and not pipe.is_closing():
            pipe.abort()


@dataclass(slots=True)
class Sending:
    """Where to, from which addresses (numbers of `tool.source`; none: the system's), and what is noted."""

    host: str
    port: int
    sources: range | None
    record: Callable[[Row], None]
    chance: random.Random

    def own(self, number: int) -> str:
        """Return the address for the visit of this number: neighbours come long after one another."""
        if self.sources is None:
            return ""
        return source(self.sources[number * _STRIDE % len(self.sources)])


def bots(sending: Sending) -> Callable[[int], Awaitable[None]]:
    """Return how to have the bot of a number come."""
    contents = [mail_of_size(MAIL_BYTES, number) for number in range(CONTENTS)]

    async def come(number: int) -> None:
        (kind,) = sending.chance.choices(KINDS, SHARES)
        letters = [
            Letter("", f"s{number}@spam.example", ("bob@example.com",), content)
            for content in sending.chance.choices(contents, k=2)
        ]
        due = time.monotonic()
        told = await visit(sending.host, sending.port, sending.own(number), script(kind, letters))
        sending.record(_row(kind, due, told))

    return come


def good(sending: Sending, count: int) -> Callable[[int], Awaitable[None]]:
    """Return how to send the letter of a number, until it is taken, refused for good or given up."""
    letters = wanted(
        count, name=f"good-{time.monotonic():.0f}", senders=len(sending.sources or "1")
    )

    async def send(number: int) -> None:
        due = time.monotonic()
        earlier: list[str] = []
        steps = script("mail", [letters[number]])
        while True:
            told = await visit(sending.host, sending.port, sending.own(number), steps)
            late = time.monotonic() - due > GIVE_UP_SECONDS
            if told[:1] in ("2", "5") or late:
                row = _row("good", due, told)
                sending.record(replace(row, tries=len(earlier) + 1, earlier=tuple(earlier)))
                return
            earlier.append(told[:_CODE_LENGTH])
            await asyncio.sleep(AGAIN_SECONDS)

    return send


def _row(kind: str, due: float, told: str) -> Row:
    found = _REFERENCE.search(told)
    took = round(time.monotonic() - due, 4)
    return Row(kind, round(due, 3), took, told[:_CODE_LENGTH], found[1] if found else "")


async def paced(
    rate: float,
    seconds: float,
    begin: Callable[[int], Awaitable[None]],
    record: Callable[[Row], None],
) -> None:
    """Begin so often a second, whatever became of those before; returns when all have ended."""
    loop = asyncio.get_running_loop()
    started, begun, opened = loop.time(), 0, 0

    async def one(number: int) -> None:
        nonlocal opened
        opened += 1
        try:
            await begin(number)
        finally:
            opened -= 1

    async with asyncio.TaskGroup() as tasks:
        while begun < int(rate * seconds):
            due = min(int(rate * seconds), int((loop.time() - started) * rate) + 1)
            for number in range(begun, due):
                if opened + number - begun < MAX_OPEN:
                    tasks.create_task(one(number))
                else:
                    record(Row("unsent", time.monotonic(), 0.0, "unsent"))
            begun = due
            await asyncio.sleep(TICK_SECONDS)


# ---------------------------------------------------------------- from a test


@contextmanager
def flooding(  # noqa: PLR0913 - what a generator is told
    cluster: Cluster,
    kind: str,
    host: str,
    record: Path,
    *,
    rate: float,
    seconds: float,
    sources: range,
) -> Iterator["Popen[bytes]"]:
    """Run a generator (`bots`, `good`) on the host outside while the block lasts."""
    command = (
        PYTHON, "-m", "mailweir_testkit.cluster.botnet", kind, host, str(record), "--rate", str(rate),
        "--seconds", str(seconds), "--sources", str(sources.start), str(sources.stop),
    )  # fmt: skip
    with cluster.process("outside", *command, log=record.with_suffix(".log")) as process:
        yield process


def read(record: Path) -> list[Row]:
    """Return what was noted so far; a half-written last line is left out."""
    lines = record.read_text().split("\n")[:-1] if record.exists() else []
    return [Row(**{**row, "earlier": tuple(row["earlier"])}) for row in map(json.loads, lines)]


def _recorder(out: TextIO) -> Callable[[Row], None]:
    def record(row: Row) -> None:
        out.write(json.dumps(asdict(row)) + "\n")

    return record


def _more_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MAX_OPEN + SPARE_FILES), hard))


def run(options: argparse.Namespace) -> Coroutine[None, None, None]:
    """Return what a process does, as its options say."""

    async def all_of_it() -> None:
        with options.record.open("a", buffering=1) as out:
            record = _recorder(out)
            sources = range(*options.sources) if options.sources else None
            chance = random.Random(options.seed)  # noqa: S311 - test data that comes out the same each time
            sending = Sending(options.host, options.port, sources, record, chance)
            count = int(options.rate * options.seconds)
            begin = bots(sending) if options.kind == "bots" else good(sending, count)
            await paced(options.rate, options.seconds, begin, record)

    return all_of_it()


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(description="A spam botnet, or good senders beside it.")
    parser.add_argument("kind", choices=("bots", "good"))
    parser.add_argument("host")
    parser.add_argument("record", type=Path)
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--rate", type=float, required=True, help="visits or mails a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--sources", type=int, nargs=2, help="numbers of client addresses")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    _more_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options))


if __name__ == "__main__":
    main()
