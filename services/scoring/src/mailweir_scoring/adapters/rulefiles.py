"""Rule files: shipped with the package, from a directory, or given in memory."""

from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from mailweir_scoring.policy.ruleset import RuleFile
from mailweir_scoring.ports import RulesUnreadable

SUFFIX: Final = ".toml"
MAX_FILE_BYTES: Final = 4 * 1024 * 1024


class DirectoryRules:
    """The `*.toml` files of a directory, in the order of their names; not those below it."""

    def __init__(self, directory: Path | Traversable) -> None:
        """Name the directory; nothing is read yet."""
        self._directory = directory

    @classmethod
    def shipped(cls) -> "DirectoryRules":
        """Return the rules that come with the package."""
        return cls(resources.files("mailweir_scoring") / "rules")

    def read(self) -> Sequence[RuleFile]:
        """Return every file, by name. Raises RulesUnreadable."""
        try:
            names = [
                e for e in self._directory.iterdir() if e.name.endswith(SUFFIX) and e.is_file()
            ]
        except OSError as error:
            raise RulesUnreadable(f"{self._directory}: {error.strerror or error}") from error
        if not names:
            raise RulesUnreadable(f"{self._directory}: there is no *{SUFFIX} file")
        return tuple(self._file(e) for e in sorted(names, key=lambda e: e.name))

    def _file(self, entry: Path | Traversable) -> RuleFile:
        try:
            data = entry.read_bytes()
            if len(data) > MAX_FILE_BYTES:
                raise RulesUnreadable(f"{entry}: larger than {MAX_FILE_BYTES} bytes")
            return RuleFile(entry.name, data.decode())
        except OSError as error:
            raise RulesUnreadable(f"{entry}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise RulesUnreadable(f"{entry}: not UTF-8 at byte {error.start}") from error


class MemoryRules:
    """Rule files that somebody made."""

    def __init__(self, files: Sequence[RuleFile]) -> None:
        """Keep the files."""
        self._files = tuple(sorted(files, key=lambda f: f.name))

    def read(self) -> Sequence[RuleFile]:
        """Return every file, by name. Raises RulesUnreadable where there is none."""
        if not self._files:
            raise RulesUnreadable(f"memory: there is no *{SUFFIX} file")
        return self._files
