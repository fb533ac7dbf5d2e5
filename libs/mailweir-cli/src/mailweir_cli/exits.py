"""Exit codes, the same for every command, and how a command ends with one."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """What the shell is told."""

    OK = 0
    FAILED = 1  # it ran, and some of it did not go well: mail refused, a check failed
    INVALID = 2  # what it was given is wrong: an option, a setting, a policy
    UNAVAILABLE = 3  # something outside is missing: a port in use, a service that does not answer


EPILOG: Final = (
    "Exit codes: 0 all went well · 1 some of it did not (mail refused, a check failed) · "
    "2 what was given is wrong (an option, a setting, a policy) · "
    "3 something outside is missing (a port in use, a directory not writable, no answer)"
)


class CommandError(Exception):
    """Raised to end a command: the lines go to standard error, the code to the shell."""

    def __init__(self, code: Exit, *lines: str) -> None:
        """Take at least one line; each is one sentence for the admin."""
        super().__init__("\n".join(lines))
        self.code = code
        self.lines = lines
