"""Which messages the command finds in its arguments."""

import io
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from mailweir_scoring.cli import inputs
from mailweir_scoring.cli.inputs import Source, Unreadable, find_files, sources, split_mbox

ONE, TWO = b"Subject: 1\n\none\n", b"Subject: 2\n\ntwo\n"
BOX = b"From a@example.net Mon Jan  1\n" + ONE + b"\nFrom b@example.net Mon Jan  1\n" + TWO + b"\n"


def found(*names: str, stdin: bytes = b"") -> list[tuple[str, bytes | str]]:
    return [
        (i.name, i.message if isinstance(i, Unreadable) else i.read())
        for i in sources(find_files(names), io.BytesIO(stdin))
    ]


def test_a_file_is_a_message(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(ONE)
    assert found(str(file)) == [(str(file), ONE)]


def test_a_directory_is_walked_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c", "a", "b/y", "b/x", ".hidden"):
        (tmp_path / name).write_bytes(name.encode())
    assert [c for _, c in found(str(tmp_path))] == [b"a", b"b/x", b"b/y", b"c"]


def test_links_to_directories_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "ring").symlink_to(tmp_path)
    assert len(found(str(tmp_path))) == 1


def test_an_empty_directory_is_said(tmp_path: Path) -> None:
    assert found(str(tmp_path)) == [(str(tmp_path), "there is no file in this directory")]


def test_standard_input_is_a_message() -> None:
    assert found("-", stdin=ONE) == [("-", ONE)]
    assert found("-", stdin=BOX) == [("-#1", ONE), ("-#2", TWO)]
    assert found("-", stdin=b"") == [("-", "empty")]


def test_an_mbox_gives_its_messages(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.write_bytes(BOX)
    assert found(str(box)) == [(f"{box}#1", ONE), (f"{box}#2", TWO)]


def test_what_cannot_be_read_stands_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(ONE)
    missing = str(tmp_path / "missing")
    assert found(missing, str(file)) == [
        (missing, "No such file or directory"),
        (str(file), ONE),
    ]


def test_a_device_is_no_message() -> None:
    assert found("/dev/null") == [("/dev/null", "not a regular file")]


def test_a_file_that_vanishes_says_so_when_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(ONE)
    (source,) = sources([str(file)], io.BytesIO())
    file.unlink()
    assert isinstance(source, Source)
    with pytest.raises(OSError, match="No such file"):
        source.read()


def test_an_empty_file_is_no_message(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(b"")
    (source,) = sources([str(file)], io.BytesIO())
    assert isinstance(source, Source)
    with pytest.raises(ValueError, match="empty"):
        source.read()


def test_a_message_over_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_BYTES", 1024 * 1024)
    assert found("-", stdin=b"x" * 1_048_577) == [("-", "larger than 1 MiB")]
    box = tmp_path / "box"
    box.write_bytes(BOX + b"From c Mon\n" + b"y" * 80_000 * 14)
    results = found(str(box))
    assert [c for _, c in results[:2]] == [ONE, TWO]
    assert results[2] == (str(box), "a message is larger than 1 MiB")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"From a\nA: 1\n\nx\n", [b"A: 1\n\nx\n"]),
        (b"From a\r\nA: 1\r\n\r\nx\r\n\r\nFrom b\r\nB: 2\r\n", [b"A: 1\r\n\r\nx\r\n", b"B: 2\r\n"]),
        # a line in the text that begins so, but follows no empty line
        (b"From a\nA: 1\n\nx\nFrom here on\n", [b"A: 1\n\nx\nFrom here on\n"]),
        # quoted lines lose one mark
        (b"From a\n\n>From x\n>>From y\n>Fro\n", [b"\nFrom x\n>From y\n>Fro\n"]),
        # empty messages
        (b"From a\n\nFrom b\n\n", [b"\n", b"\n"]),
        (b"From a\n", [b""]),
        (b"", []),
        (b"no mbox\n", []),
    ],
)
def test_splitting(text: bytes, expected: list[bytes]) -> None:
    assert list(split_mbox(text.splitlines(keepends=True))) == expected


def test_a_long_line_in_pieces_does_not_begin_a_message() -> None:
    pieces = [b"From a\n", b"\n", b"x" * 10, b"From y\n", b"\n", b"From b\n", b"z\n"]
    assert list(split_mbox(pieces)) == [b"\n" + b"x" * 10 + b"From y\n", b"z\n"]


bodies = st.lists(
    st.sampled_from([b"text\n", b"\n", b"From there\n", b">From quoted\n", b">>From twice\n"]),
    max_size=8,
)


@given(st.lists(bodies, min_size=1, max_size=4))
def test_what_is_written_as_mboxrd_comes_back(messages: list[list[bytes]]) -> None:
    whole = [b"Subject: x\n\n" + b"".join(lines) + b"end\n" for lines in messages]
    written = b""
    for text in whole:
        lines = text.splitlines(keepends=True)
        quoted = [b">" + n if n.lstrip(b">").startswith(b"From ") else n for n in lines]
        written += b"From someone\n" + b"".join(quoted) + b"\n"
    assert list(split_mbox(written.splitlines(keepends=True))) == whole
