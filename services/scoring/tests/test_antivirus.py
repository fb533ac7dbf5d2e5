"""The virus scanner: one contract on memory and on clamd's protocol, what goes wrong, and the stage."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_mail import parse
from mailweir_policy import AntivirusPolicy, OnInfected, ScoringPolicy
from mailweir_scoring.adapters.clamd import CHUNK, ClamdScanner, MemoryScanner, read_reply
from mailweir_scoring.policy.antivirus import (
    SYMBOLS,
    ScanAnswer,
    ScanQuestion,
    ScanStatus,
    antivirus,
)
from mailweir_scoring.policy.facts import Facts, Found
from mailweir_scoring.policy.pipeline import AskingStage
from mailweir_scoring.ports import Answerer
from mailweir_scoring.walk import Task
from mailweir_testkit.clamd import FakeClamd, fake_clamd

MARK, NAME = b"mailweir-test-signature", "Mailweir.Test"
SIGNATURES = {MARK: NAME}
# The standard test file, in two pieces: scanners would take this file for it.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
CLEAN = ScanAnswer(ScanStatus.CLEAN)


def question(raw: bytes, most: int = 10**6, seconds: float = 5.0) -> ScanQuestion:
    return ScanQuestion(raw, most, seconds)


@pytest.fixture
async def fake() -> AsyncIterator[FakeClamd]:
    async with fake_clamd(SIGNATURES) as server:
        yield server


async def ask(
    scanner: Answerer, *questions: ScanQuestion, seconds: float = 5.0
) -> list[ScanAnswer]:
    return list(await scanner.answer(questions, seconds))


# the contract


@pytest.fixture(params=["memory", "tcp", "unix"])
async def scanner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Answerer]:
    if request.param == "memory":
        yield MemoryScanner(SIGNATURES)
        return
    unix = str(tmp_path / "c") if request.param == "unix" else ""
    async with fake_clamd(SIGNATURES, unix) as server:
        yield ClamdScanner(server.target)


async def test_answers_are_in_order(scanner: Answerer) -> None:
    bad = ScanAnswer(ScanStatus.INFECTED, NAME)
    asked = [question(b"x" + MARK), question(b"hello"), question(b""), question(MARK)]
    assert await ask(scanner, *asked) == [bad, CLEAN, CLEAN, bad]


async def test_only_the_beginning_is_scanned(scanner: Answerer) -> None:
    raw = b"x" * 1000 + MARK
    assert await ask(scanner, question(raw, 1000)) == [replace(CLEAN, partial=True)]
    assert await ask(scanner, question(raw, 1000 + len(MARK))) == [
        ScanAnswer(ScanStatus.INFECTED, NAME)
    ]


async def test_a_lookup_says_how_much_and_what(scanner: Answerer) -> None:
    asked = question(MARK * 2, len(MARK))
    (answer,) = await ask(scanner, asked)
    lookup = scanner.describe(asked, answer)
    assert lookup is not None
    assert lookup.kind == "antivirus"
    assert lookup.question == f"the first {len(MARK)} octets"
    assert lookup.answer == f"infected: {NAME}"


# the protocol


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
async def test_a_message_goes_in_chunks(fake: FakeClamd, size: int) -> None:
    assert await ask(ClamdScanner(fake.target), question(b"x" * size)) == [CLEAN]
    assert sum(fake.chunks) == size
    assert max(fake.chunks, default=0) <= CHUNK
    assert 0 not in fake.chunks


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (b"stream: OK\0", ScanStatus.CLEAN, ""),
        (b"stream: OK\n", ScanStatus.CLEAN, ""),
        (b"stream: Win.Test.EICAR_HDB-1 FOUND\0", ScanStatus.INFECTED, "Win.Test.EICAR_HDB-1"),
        (b"stream: A name (of words) FOUND\0", ScanStatus.INFECTED, "A name (of words)"),
        (b"INSTREAM size limit. ERROR\0", ScanStatus.TEMPERROR, "INSTREAM size limit. ERROR"),
        (b"stream: no memory ERROR\0", ScanStatus.TEMPERROR, "stream: no memory ERROR"),
        (b"OK\0", ScanStatus.TEMPERROR, "OK"),
        (b"stream: OK FOUND", ScanStatus.INFECTED, "OK"),
        (b"stream: FOUND\0", ScanStatus.TEMPERROR, "stream: FOUND"),
        (b"stream:  FOUND\0", ScanStatus.TEMPERROR, "stream:  FOUND"),
        (b"X FOUND\0", ScanStatus.TEMPERROR, "X FOUND"),
        (b"\0", ScanStatus.TEMPERROR, "an empty reply"),
        (b"\xff\xfe\0", ScanStatus.TEMPERROR, "\ufffd\ufffd"),
    ],
)  # fmt: skip
def test_replies_are_read_strictly(reply: bytes, status: ScanStatus, said: str) -> None:
    answer = read_reply(reply)
    assert (answer.status, answer.name or answer.detail) == (status, said)


async def test_a_stream_too_long_for_it_is_a_failure_that_says_so(fake: FakeClamd) -> None:
    fake.limit = 1000
    (answer,) = await ask(ClamdScanner(fake.target), question(b"x" * 5_000_000, 10**7))
    assert answer.status is ScanStatus.TEMPERROR
    assert "size limit" in answer.detail or "reset" in answer.detail.lower()


async def test_a_scanner_that_is_not_there(tmp_path: Path) -> None:
    (answer,) = await ask(ClamdScanner(f"unix:{tmp_path}/none"), question(b"x"))
    assert answer == ScanAnswer(ScanStatus.TEMPERROR, detail="No such file or directory")


async def test_a_scanner_that_hangs_up(fake: FakeClamd) -> None:
    fake.hang_up = True
    (answer,) = await ask(ClamdScanner(fake.target), question(b"x" * 100))
    assert answer.status is ScanStatus.TEMPERROR


async def test_a_scanner_that_answers_without_end(fake: FakeClamd) -> None:
    fake.reply = b"x" * 100_000
    (answer,) = await ask(ClamdScanner(fake.target), question(b"x"))
    assert answer.status is ScanStatus.TEMPERROR
    assert "more than 4096 octets" in answer.detail


@pytest.mark.parametrize(("own", "given"), [(0.1, 5.0), (5.0, 0.1)])
async def test_a_scanner_that_hangs(fake: FakeClamd, own: float, given: float) -> None:
    fake.mute = True
    async with asyncio.timeout(3):
        (answer,) = await ask(ClamdScanner(fake.target), question(b"x", seconds=own), seconds=given)
    assert (answer.status, answer.name) == (ScanStatus.TEMPERROR, "")
    assert answer.detail.startswith("no answer within")


async def test_no_more_scans_at_once_than_allowed(fake: FakeClamd) -> None:
    scanner = ClamdScanner(fake.target, at_once=2)
    async with asyncio.TaskGroup() as tasks:
        scans = [tasks.create_task(ask(scanner, question(b"x"))) for _ in range(8)]
    assert [s.result() for s in scans] == [[CLEAN]] * 8
    assert fake.most_open <= 3  # the last one may not be closed on the other side yet


@pytest.mark.parametrize("target", ["", "nowhere", "unix:relative", "host:99999"])
def test_a_target_of_another_form_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="write"):
        ClamdScanner(target)


# the stage


def run(answer: ScanAnswer, **policy: Any) -> tuple[Found, list[ScanQuestion]]:
    asked: list[ScanQuestion] = []

    def reply(questions: tuple[Any, ...]) -> tuple[Any, ...]:
        asked.extend(questions)
        return (answer,)

    own = ScoringPolicy(antivirus=AntivirusPolicy(**policy))
    found = drive(antivirus(Facts(parse(b"Subject: x\n\nhi"), (), 0.0, policy=own)), reply)
    assert {h.symbol for h in found.hits} <= SYMBOLS
    return found, asked


def test_the_whole_message_is_asked_about_within_the_policy() -> None:
    found, asked = run(CLEAN, max_bytes=99, timeout_seconds=2)
    assert found == Found()
    assert asked == [ScanQuestion(b"Subject: x\n\nhi", 99, 2)]
    assert "Subject" not in repr(asked)


def test_switched_off_nothing_is_asked() -> None:
    assert run(CLEAN, enabled=False) == (Found(), [])


@pytest.mark.parametrize(
    ("on_infected", "least"), [("reject", Action.REJECT), ("hold", Action.HOLD)]
)
def test_infected_mail_is_refused_or_held(on_infected: str, least: Action) -> None:
    found, _ = run(ScanAnswer(ScanStatus.INFECTED, NAME), on_infected=on_infected)
    assert [(h.symbol, h.evidence, h.least) for h in found.hits] == [("VIRUS_FOUND", NAME, least)]


def test_no_answer_is_a_failure() -> None:
    assert run(ScanAnswer(ScanStatus.TEMPERROR, detail="gone"))[0] == Found(failure="gone")


STAGE = AskingStage("antivirus", SYMBOLS, antivirus, costly=True)


@pytest.mark.parametrize(
    ("outage", "stages", "action", "status"),
    [
        ("", {}, Action.REJECT, Status.HIT),
        ("gone", {}, Action.DEFER, Status.TEMPERROR),
        ("gone", {"antivirus": {"on_failure": "hold"}}, Action.HOLD, Status.OK),
        ("gone", {"antivirus": {"on_failure": "skip"}}, Action.ACCEPT, Status.OK),
    ],
)
async def test_what_follows(
    bench: Any, snapshot: Callable[..., Any], plain: bytes, outage: str, stages: Any, action: Action,
    status: Status,
) -> None:  # fmt: skip
    scanner = MemoryScanner(SIGNATURES)
    scanner.outage = outage
    engine = bench.engine(STAGE, answerers={ScanQuestion: scanner}, VIRUS_FOUND=8.0)
    judgement = await engine.judge(Task(plain + MARK), snapshot(stages=stages))
    assert (judgement.verdict.action, judgement.status) == (action, status)
    assert [x.answer for x in judgement.lookups] == [
        f"temperror: {outage}" if outage else f"infected: {NAME}"
    ]
    if not outage:
        assert judgement.counterfactual == ("VIRUS_FOUND",)


# the real one


@pytest.fixture
def clamd(tmp_path: Path) -> Iterator[str]:
    """Start Debian's clamd with one signature of our own; nothing is downloaded."""
    program = shutil.which("clamd", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        pytest.skip("clamd is not installed (Debian: clamav-daemon)")
    signatures = tmp_path / "signatures"
    signatures.mkdir()
    (signatures / "test.ndb").write_text(f"Eicar-Test:0:*:{EICAR.hex()}\n")
    config = tmp_path / "clamd.conf"
    config.write_text(
        f"Foreground yes\nLocalSocket {tmp_path}/c\nDatabaseDirectory {signatures}\n"
        "StreamMaxLength 1M\nSelfCheck 0\nMaxThreads 2\n"
    )
    process = subprocess.Popen(
        [program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"unix:{tmp_path}/c"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.integration
@pytest.mark.timeout(60)
async def test_the_real_clamd(clamd: str) -> None:
    scanner = ClamdScanner(clamd)
    async with asyncio.timeout(40):
        while (await ask(scanner, question(b"hello")))[0].status is ScanStatus.TEMPERROR:
            await asyncio.sleep(0.2)
    mail = b"Subject: x\nContent-Type: application/octet-stream\n\n" + EICAR + b"\n"
    bad, clean, long = await ask(
        scanner, question(mail), question(b"hello"), question(b"x" * 2_000_000, 10**7)
    )
    assert (bad.status, clean) == (ScanStatus.INFECTED, CLEAN)
    assert bad.name.startswith("Eicar-Test")
    # it says so and closes at once, so that its words may be lost with the connection
    assert long.status is ScanStatus.TEMPERROR
    assert long.detail


@pytest.mark.integration
@pytest.mark.timeout(60)
async def test_the_real_clamd_has_a_mail_held(
    clamd: str, bench: Any, snapshot: Callable[..., Any], plain: bytes
) -> None:
    scanner = ClamdScanner(clamd)
    async with asyncio.timeout(40):
        while (await ask(scanner, question(b"hello")))[0].status is ScanStatus.TEMPERROR:
            await asyncio.sleep(0.2)
    engine = bench.engine(STAGE, answerers={ScanQuestion: scanner}, VIRUS_FOUND=8.0)
    policy = snapshot(antivirus=AntivirusPolicy(on_infected=OnInfected.HOLD))
    judgement = await engine.judge(Task(plain + EICAR), policy)
    assert judgement.verdict.action is Action.HOLD
    assert judgement.verdict.reason is not Reason.CLEAN
    assert (await engine.judge(Task(plain), policy)).verdict.action is Action.ACCEPT
