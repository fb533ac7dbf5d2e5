"""What goes wrong with a script: it cannot be read, or the server did not follow it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a script."""

    name: str
    line: int

    def __str__(self) -> str:
        """Return `name:line`, as editors and terminals make links of."""
        return f"{self.name}:{self.line}"


class ScriptError(ValueError):
    """Raised when a line of a script is not of the language."""

    def __init__(self, place: Place, message: str) -> None:
        """Say where and what."""
        super().__init__(f"{place}: {message}")


class DialogueError(AssertionError):
    """Raised when the server did not do what the script says: where, what was wanted, what came."""

    def __init__(self, place: Place, wanted: str, came: str) -> None:
        """Put the three into one text."""
        self.place = place
        super().__init__(f"{place}: wanted {wanted}, but {came}")
