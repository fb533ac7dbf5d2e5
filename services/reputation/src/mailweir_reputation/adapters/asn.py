"""Reads the file of autonomous systems: one prefix a line, `192.0.2.0/24,64500`, comma or tab between them.

`AS64500` is read as well; empty lines and those that begin with `#` are skipped, as is a heading.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from mailweir_core.net import Network, parse_network
from mailweir_reputation.policy.asn import MAX_ASN, AsnTable

MAX_LINES: Final = 5_000_000
MAX_LINE: Final = 500


def load_asn_file(path: Path | None) -> AsnTable:
    """Return the table in a file, an empty one without a file.

    Raises OSError, and ValueError with the line's number for a line that cannot be read. Takes seconds for a
    whole table of the Internet: call it in a thread.
    """
    if path is None:
        return AsnTable()
    with path.open(encoding="utf-8", errors="replace") as file:
        return AsnTable(_read(file))


def _read(lines: Iterator[str]) -> Iterator[tuple[Network, int]]:
    for number, line in enumerate(islice(lines, MAX_LINES + 1), 1):
        if number > MAX_LINES:
            raise ValueError(f"more than {MAX_LINES} lines")
        text = line.strip()
        if (
            not text
            or text.startswith("#")
            or (number == 1 and not text[0].isdigit() and ":" not in text)
        ):
            continue
        try:
            yield _entry(text[:MAX_LINE])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def _entry(text: str) -> tuple[Network, int]:
    prefix, *rest = text.replace("\t", ",").split(",")
    number = (rest[0] if rest else "").strip().removeprefix("AS")
    if not (number.isascii() and number.isdigit()) or int(number) > MAX_ASN:
        raise ValueError(f"{number[:20]!r} is no number of an autonomous system")
    return parse_network(prefix), int(number)
