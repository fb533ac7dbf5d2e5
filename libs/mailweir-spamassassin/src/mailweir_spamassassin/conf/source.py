"""Where rule files come from: a directory, or texts in memory. The only place that reads files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from mailweir_spamassassin.limits import MAX_FILE_BYTES, MAX_FILES

SUFFIX: Final = ".cf"


class Unreadable(Exception):
    """A file that cannot be had; the text says why."""


class Source(Protocol):
    """Rule files by name. Texts are bytes read as Latin-1, so that a character is a byte."""

    def names(self) -> Sequence[str]:
        """Return the files to read, in the order to read them. Raises Unreadable."""
        ...

    def read(self, name: str) -> str:
        """Return the text of a file. Raises Unreadable."""
        ...

    def resolve(self, name: str, beside: str) -> str:
        """Return the name by which `read` knows a file that is included from `beside`."""
        ...


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Texts that somebody made, by file name."""

    files: Mapping[str, bytes] = field(default_factory=dict)

    def names(self) -> Sequence[str]:
        """Return the names of all rule files, sorted."""
        return sorted(n for n in self.files if n.endswith(SUFFIX))

    def read(self, name: str) -> str:
        """Return a text. Raises Unreadable."""
        if name not in self.files:
            raise Unreadable("no such file")
        return _decode(self.files[name])

    def resolve(self, name: str, beside: str) -> str:  # noqa: ARG002 - part of the interface
        """Return `name`: there are no directories here."""
        return name


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """The `*.cf` files of directories, each directory's sorted by name, one directory after the other.

    SpamAssassin reads its shipped rules first and the site's own after them, so that these may change scores.
    An include reaches files of these directories alone: rule files may come from elsewhere, and must
    not be a way to look into the machine's other files.
    """

    directories: tuple[Path, ...]

    def names(self) -> Sequence[str]:
        """Return the paths of all rule files. Raises Unreadable."""
        found = [str(p) for d in self.directories for p in self._files_of(d)]
        if len(found) > MAX_FILES:
            raise Unreadable(f"more than {MAX_FILES} rule files")
        return found

    def read(self, name: str) -> str:
        """Return the text of a file. Raises Unreadable."""
        path = Path(name)
        if not any(path.is_relative_to(d.resolve()) for d in self.directories) and not any(
            path.parent == d for d in self.directories
        ):
            raise Unreadable("outside the directories of rules")
        try:
            with path.open("rb") as stream:
                return _decode(stream.read(MAX_FILE_BYTES + 1))
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error

    def resolve(self, name: str, beside: str) -> str:
        """Return the absolute path of a file included from `beside`, symbolic links followed."""
        path = Path(name)
        if not path.is_absolute():
            path = Path(beside).parent / path
        try:
            return str(path.resolve())
        except (OSError, RuntimeError, ValueError):
            return str(path)

    @staticmethod
    def _files_of(directory: Path) -> list[Path]:
        try:
            return sorted(p for p in directory.iterdir() if p.suffix == SUFFIX and p.is_file())
        except OSError as error:
            raise Unreadable(f"{directory}: {error.strerror or error}") from error


def _decode(data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise Unreadable(f"larger than {MAX_FILE_BYTES} bytes")
    return data.decode("latin-1")


def as_text(latin: str) -> str:
    """Return the text that bytes read as Latin-1 mean: UTF-8 where they are, else Latin-1."""
    try:
        return latin.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return latin
