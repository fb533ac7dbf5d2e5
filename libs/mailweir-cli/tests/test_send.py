"""`mailweir send` over real SMTP: what is sent, what is shown, which code it ends with."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from mailweir_cli.commands.send import from_address
from mailweir_cli.exits import Exit
from mailweir_cli.main import GROUP, run
from mailweir_cli.smtp import Answer, Outgoing, Server, send_all
from mailweir_testkit.builders import mail
from mailweir_testkit.sink import Manners, Sink, sink

COMMANDS = entry_points(group=GROUP)


@contextmanager
def served(manners: Manners | None = None) -> Iterator[Sink]:
    """Run a sink on a loop of its own: the command brings its own loop."""
    ready, stop = threading.Event(), threading.Event()
    found: list[Sink] = []

    async def serve() -> None:
        async with sink(manners) as target:
            found.append(target)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join()


def send(target: Sink, *arguments: str | Path) -> int:
    port = str(target.address[1])
    return run(["send", "--port", port, "--to", "bob@example.com", *map(str, arguments)], COMMANDS)


def written(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(mail(path.name).replace(b"\r\n", b"\n"))
    return paths


def test_files_and_directories_are_sent_with_crlf(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = written(tmp_path, "a.eml", "dir/b.eml", "dir/.hidden")
    with served() as target:
        assert send(target, first, tmp_path / "dir") == Exit.OK
        assert sorted(m.content or b"" for m in target.mails) == [mail("a.eml"), mail("b.eml")]
        assert {m.sender for m in target.mails} == {"anna@example.net"}
    assert "2 of 2 taken" in capsys.readouterr().out


def test_json_has_an_entry_per_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = written(tmp_path, "a.eml")
    with served() as target:
        assert send(target, path, "--json", "--from", "<>") == Exit.OK
        assert target.mails[0].sender == ""
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry.pop("seconds") >= 0
    assert entry == {
        "path": str(path),
        "accepted": True,
        "code": 250,
        "reply": "2.0.0 taken",
        "reference": "",
        "refused": {},
    }


def test_a_refusal_is_shown_and_ends_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = written(tmp_path, "a.eml", "b.eml")
    with served(Manners(defer_messages=1)) as target:
        assert send(target, *paths, "--jobs", "1") == Exit.FAILED
    shown = capsys.readouterr().out
    assert "451" in shown
    assert "1 of 2 taken" in shown


def test_a_recipient_refused_beside_others_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = written(tmp_path, "a.eml")
    with served(Manners(refuse="^no")) as target:
        assert send(target, path, "--to", "no@example.com") == Exit.FAILED
        assert target.mails[0].recipients == ("bob@example.com",)
        assert "<no@example.com> 550" in capsys.readouterr().out
        assert send(target, path, "--to", "no@example.com", "--json") == Exit.FAILED


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["missing.eml"], Exit.INVALID, "missing.eml: no such file"),
        (["."], Exit.INVALID, "there are no mail files"),
    ],
)
def test_wrong_files_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: Exit,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["send", "--to", "a@b", *arguments], COMMANDS) == code
    assert line in capsys.readouterr().err


def test_nobody_listening_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = written(tmp_path, "a.eml")
    with served() as target:
        pass
    assert send(target, path) == Exit.UNAVAILABLE
    error = capsys.readouterr().err
    assert error.startswith(f"mailweir: no connection to 127.0.0.1:{target.address[1]}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("header", "want"),
    [
        (b"From: Anna <anna@example.net>", "anna@example.net"),
        (b"From: anna@example.net", "anna@example.net"),
        (b'From: "a@b" <c@d>', "c@d"),
        (b"From: nobody", ""),
        (b"To: x@y", ""),
    ],
)
def test_the_sender_is_the_from_address(header: bytes, want: str) -> None:
    assert from_address(header + b"\r\n\r\n") == want


def outgoing(
    count: int, recipient: str = "bob@example.com", content: bytes = b""
) -> list[Outgoing]:
    return [Outgoing(str(n), "a@b", (recipient,), content or mail(str(n))) for n in range(count)]


async def test_many_mails_share_connections_and_answers_keep_their_order() -> None:
    async with sink() as target:
        answers = await send_all(Server(*target.address), outgoing(120), jobs=3)
        assert [a.name for a in answers] == [str(n) for n in range(120)]
        assert all(a.accepted for a in answers)
        assert 3 <= target.connections <= 6


async def test_a_connection_that_breaks_is_an_answer_and_the_rest_goes_on() -> None:
    async with sink(Manners(hang_up_after_data=1)) as target:
        answers = await send_all(Server(*target.address), outgoing(3))
    assert [a.code for a in answers] == [0, 250, 250]
    assert answers[0].reply


async def test_utf8_and_eight_bit_are_declared() -> None:
    async with sink() as target:
        content = "Subject: ü\r\n\r\nü\r\n".encode()
        (answer,) = await send_all(
            Server(*target.address), outgoing(1, "jürgen@example.com", content)
        )
        assert answer.accepted
        assert target.mails[0].recipients == ("jürgen@example.com",)
        assert target.mails[0].content == content


def test_the_reference_is_read_from_the_reply() -> None:
    ref = "01JABCDEFGHJKMNPQRSTVWXYZ0-2"
    assert Answer("x", 250, f"2.0.0 queued [{ref}]", 0.0).reference == ref
    assert Answer("x", 250, "2.0.0 queued [x]", 0.0).reference == ""
