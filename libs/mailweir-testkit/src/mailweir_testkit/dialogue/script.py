"""Reading scripts: lines of text to steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mailweir_policy.paths import read_assignment
from mailweir_testkit.dialogue.errors import Place, ScriptError
from mailweir_testkit.dialogue.steps import Step
from mailweir_testkit.dialogue.words import read_step

MAX_STEPS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Account:
    """A submission account that the script needs: login, password, addresses it may send from."""

    login: str
    password: str
    senders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A script: its name, one sentence, what the policy must say, and the steps."""

    name: str
    about: str
    policy: tuple[tuple[str, Any], ...]
    accounts: tuple[Account, ...]
    steps: tuple[Step, ...]


@dataclass(slots=True)
class _Head:
    about: str = ""
    policy: list[tuple[str, Any]] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)

    def take(self, line: str) -> bool:
        """Take a line if it is one of the head's; raises ValueError where it is a bad one."""
        key, colon, value = line.partition(":")
        match key if colon else "":
            case "about":
                self.about = value.strip()
            case "policy":
                self.policy.append(read_assignment(value))
            case "account":
                login, password, *senders = value.split()
                self.accounts.append(Account(login, password, tuple(senders)))
            case _:
                return False
        return True


def parse_file(path: Path) -> Script:
    """Return the script in a file; raises ScriptError with the line."""
    return parse(path.read_text(encoding="utf-8"), path.name)


def parse(text: str, name: str = "script") -> Script:
    """Return the script in a text; raises ScriptError with the line."""
    head, steps = _Head(), list[Step]()
    for place, line in _unrolled(list(_lines(text, name))):
        try:
            if not steps and head.take(line):
                continue
            steps += read_step(place, line)
        except ValueError as error:
            raise ScriptError(place, str(error)) from error
        if len(steps) > MAX_STEPS:
            raise ScriptError(place, f"more than {MAX_STEPS} steps")
    if not steps:
        raise ScriptError(Place(name, 1), "the script has no steps")
    return Script(name, head.about, tuple(head.policy), tuple(head.accounts), tuple(steps))


def _lines(text: str, name: str) -> Iterator[tuple[Place, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield Place(name, number), line


def _unrolled(lines: Sequence[tuple[Place, str]]) -> Iterator[tuple[Place, str]]:
    """Yield the lines with each `repeat N` … `end` written out; `{i}` counts from 1."""
    block: list[tuple[Place, str]] = []
    times, opened = 0, None
    for place, line in lines:
        word = line.split()[0]
        if word == "repeat":
            if opened is not None:
                raise ScriptError(place, "repeat inside repeat")
            times, opened = _times(place, line), place
        elif word == "end" and opened is not None:
            for i in range(1, times + 1):
                yield from ((p, text.replace("{i}", str(i))) for p, text in block)
            block, opened = [], None
        elif opened is not None:
            block.append((place, line))
        else:
            yield place, line
    if opened is not None:
        raise ScriptError(opened, "repeat without end")


def _times(place: Place, line: str) -> int:
    _, _, number = line.partition(" ")
    if not number.strip().isdigit() or int(number) > MAX_STEPS:
        raise ScriptError(place, "write repeat N")
    return int(number)
