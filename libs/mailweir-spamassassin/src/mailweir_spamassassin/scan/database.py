"""The multi-pattern scanner: many expressions, one pass over a text."""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import hyperscan

from mailweir_spamassassin.perl.expression import Expression

MAX_EXPRESSIONS: Final = 200
"""Of one database. Compiling grows faster than the number of expressions."""
MAX_WIDE_EXPRESSIONS: Final = 20
"""The same for expressions that stand for guarded or disguised text: they share little and compile slowly."""


class UnfitExpression(Exception):
    """The scanner does not take an expression."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Compiled databases in a directory that only this program writes to; without one nothing is kept."""

    directory: Path | None = None

    def load(self, key: str) -> "hyperscan.Database | None":
        """Return a database compiled before, None where there is none that fits this machine."""
        if self.directory is None:
            return None
        try:
            return hyperscan.loadb(
                (self.directory / f"{key}.hs").read_bytes(), hyperscan.HS_MODE_BLOCK
            )
        except (OSError, hyperscan.error):
            return None

    def store(self, key: str, database: "hyperscan.Database") -> None:
        """Keep a database. One that cannot be written is compiled again next time."""
        if self.directory is None:
            return
        path = self.directory / f"{key}.hs"
        partial = path.with_suffix(f".{threading.get_ident()}.new")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(hyperscan.dumpb(database))
            partial.replace(path)
        except OSError:
            return


@dataclass(slots=True)
class Databases:
    """Compiles databases and keeps them by number; each thread needs its own working memory for each."""

    cache: Cache = field(default_factory=Cache)
    made: "list[hyperscan.Database]" = field(default_factory=list)

    def compile(self, expressions: Sequence[Expression]) -> int:
        """Return the number of a database; its ids are places in `expressions`. Raises UnfitExpression."""
        key = _key(expressions)
        database = self.cache.load(key)
        if database is None:
            database = _compile(expressions)
            self.cache.store(key, database)
        self.made.append(database)
        return len(self.made) - 1


def _key(expressions: Iterable[Expression]) -> str:
    digest = hashlib.sha256(version("hyperscan").encode())
    for expression in expressions:
        digest.update(f"{expression.caseless}{len(expression.text)}:{expression.text}".encode())
    return digest.hexdigest()[:32]


def _compile(expressions: Sequence[Expression]) -> "hyperscan.Database":
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = [
        hyperscan.HS_FLAG_SINGLEMATCH | (hyperscan.HS_FLAG_CASELESS if e.caseless else 0)
        for e in expressions
    ]
    try:
        database.compile(
            expressions=[e.text.encode() for e in expressions],
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=flags,
        )
    except hyperscan.error as error:
        raise UnfitExpression(str(error)) from error
    return database
