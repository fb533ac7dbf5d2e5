"""What is to be judged: files, directories, mbox files and standard input, one message at a time."""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

STDIN: Final = "-"
MAX_BYTES: Final = 256 * 1024 * 1024
"""Largest message that is read."""
MBOX_START: Final = b"From "
_LINE_PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One message: its name for the report, and where it is (`file`) or what it is (`content`)."""

    name: str
    file: Path | None = None
    content: bytes | None = None

    def read(self) -> bytes:
        """Return the message; raises OSError, or ValueError with a sentence."""
        if self.content is not None:
            return self.content
        if self.file is None:
            raise ValueError("neither a file nor content")
        with self.file.open("rb") as stream:
            return read_whole(stream)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An argument that gives no message, and why."""

    name: str
    message: str


def read_whole(stream: BinaryIO) -> bytes:
    """Return a stream's bytes; raises ValueError where there is nothing or too much."""
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES // 1024 // 1024} MiB")
    if not content:
        raise ValueError("empty")
    return content


def find_files(arguments: Iterable[str]) -> Iterator[str | Unreadable]:
    """Yield the files behind the arguments, those of a directory by name, hidden ones left out."""
    for argument in arguments:
        path = Path(argument)
        if argument == STDIN or not path.is_dir():
            yield argument
            continue
        files = list(_below(path))
        yield from files
        if not files:
            yield Unreadable(argument, "there is no file in this directory")


def _below(folder: Path) -> Iterator[str]:
    """Yield every regular file, by name; links to directories are not followed, since they may be rings."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _below(entry)
        elif entry.is_file():
            yield str(entry)


def sources(names: Iterable[str | Unreadable], stdin: BinaryIO) -> Iterator[Source | Unreadable]:
    """Yield the messages in the files, in order; what cannot be read is yielded as such."""
    for name in names:
        if isinstance(name, Unreadable):
            yield name
            continue
        try:
            yield from _messages(name, stdin)
        except (OSError, ValueError) as error:
            yield Unreadable(name, _sentence(error))


def _messages(name: str, stdin: BinaryIO) -> Iterator[Source]:
    if name == STDIN:
        content = read_whole(stdin)
        if content.startswith(MBOX_START):
            yield from _numbered(name, split_mbox(content.splitlines(keepends=True)))
        else:
            yield Source(name, content=content)
        return
    path = Path(name)
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    with path.open("rb") as stream:
        if stream.read(len(MBOX_START)) != MBOX_START:
            yield Source(name, file=path)
            return
        stream.seek(0)
        yield from _numbered(name, split_mbox(_lines(stream)))


def _numbered(name: str, messages: Iterable[bytes]) -> Iterator[Source]:
    for number, content in enumerate(messages, 1):
        yield Source(f"{name}#{number}", content=content)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines, overlong ones in pieces, so that no line takes all memory."""
    while line := stream.readline(_LINE_PIECE):
        yield line


def split_mbox(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the messages of an mbox: each begins at a `From ` line that is first or follows an empty one.

    Quoted lines (`>From `, `>>From `, ...) lose one `>` (the mboxrd form; the older mboxo form quotes the
    first kind alone, which comes out the same). Raises ValueError for a message over MAX_BYTES.
    """
    message: list[bytes] = []
    size, empty_before, whole_before, begun = 0, True, True, False
    for line in lines:
        if empty_before and whole_before and line.startswith(MBOX_START):
            if begun:
                yield _joined(message)
            message, size, begun = [], 0, True
        else:
            size += len(line)
            if size > MAX_BYTES:
                raise ValueError(f"a message is larger than {MAX_BYTES // 1024 // 1024} MiB")
            message.append(_unquoted(line) if whole_before else line)
        empty_before = whole_before and line in (b"\n", b"\r\n")
        whole_before = line.endswith(b"\n")
    if begun:
        yield _joined(message)


def _joined(lines: list[bytes]) -> bytes:
    """Return a message without the empty line that stands before the next one."""
    if lines and lines[-1] in (b"\n", b"\r\n") and len(lines) > 1:
        lines.pop()
    return b"".join(lines)


def _unquoted(line: bytes) -> bytes:
    return line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(MBOX_START) else line


def _sentence(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
