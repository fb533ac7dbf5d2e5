"""What an expression is once it is read: a tree of conditions, and how one is decided."""

from collections.abc import Callable, Iterator, Sequence, Set as AbstractSet
from dataclasses import dataclass

from mailweir_scoring.policy.linear import Pattern

Look = Callable[[str], Sequence[bytes]]
"""Gives the values of a field, UTF-8."""


class ExpressionError(ValueError):
    """Raised for a text that is no expression; `column` counts characters from 1."""

    def __init__(self, column: int, message: str) -> None:
        """Keep the place and what is wrong there."""
        self.column = column
        self.message = message
        super().__init__(f"column {column}: {message}")


@dataclass(frozen=True, slots=True)
class Symbol:
    """Whether a symbol was found."""

    name: str


@dataclass(frozen=True, slots=True)
class Present:
    """Whether a field has a value."""

    field: str


@dataclass(frozen=True, slots=True)
class Matches:
    """Whether some value of a field has a match of a pattern; `pattern` is RE2's, so time is linear."""

    field: str
    source: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Equals:
    """Whether some value of a field is this text, without regard to case."""

    field: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Every:
    """All of the parts hold."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Some:
    """One of the parts holds."""

    parts: "tuple[Condition, ...]"


Condition = Symbol | Present | Matches | Equals | Not | Every | Some


def holds(condition: Condition, found: AbstractSet[str], look: Look) -> bool:
    """Decide a condition over the symbols found and the fields; a field is asked for only if it matters."""
    match condition:
        case Symbol(name):
            return name in found
        case Not(part):
            return not holds(part, found, look)
        case Every(parts):
            return all(holds(part, found, look) for part in parts)
        case Some(parts):
            return any(holds(part, found, look) for part in parts)
        case Matches(field, _, pattern):
            return any(pattern.found_in(value) for value in look(field))
        case Equals(field, text):
            return any(value.lower() == text for value in look(field))
        case Present(field):
            return any(True for _ in look(field))


def symbols_in(condition: Condition) -> Iterator[str]:
    """Yield the symbols that a condition asks for, in the order of the text."""
    match condition:
        case Symbol(name):
            yield name
        case Not(part):
            yield from symbols_in(part)
        case Every(parts) | Some(parts):
            for each in parts:
                yield from symbols_in(each)
        case _:
            return


def needs_of(condition: Condition) -> tuple[frozenset[str], ...]:
    """Return sets of symbols of each of which one must be found, or the condition does not hold."""
    match condition:
        case Symbol(name):
            return (frozenset((name,)),)
        case Every(parts):
            return tuple(need for part in parts for need in needs_of(part))
        case Some(parts):
            # Whichever part holds, one symbol of its smallest set is there.
            each = [min(needs_of(part), key=len, default=None) for part in parts]
            sets = [need for need in each if need is not None]
            return (frozenset().union(*sets),) if len(sets) == len(each) else ()
        case _:
            return ()
