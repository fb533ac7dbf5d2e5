"""What commands write: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def console() -> Console:
    """Return the console of standard output; it wraps nothing where output is no terminal."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=200, soft_wrap=True)


def print_json(value: Any) -> None:
    """Write one JSON document, indented, to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table; a column's name that begins with `>` is set to the right."""
    made = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        right = column.startswith(">")
        made.add_column(
            column.removeprefix(">"), justify="right" if right else "left", overflow="fold"
        )
    for row in rows:
        made.add_row(*row)
    return made


def escaped(text: str) -> str:
    """Return text as rich shows it literally: brackets are no markup, controls are visible."""
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return printable.replace("[", "\\[")
