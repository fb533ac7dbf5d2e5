"""Plans of patterns, kept in a file from one start to the next: reading a thousand patterns takes seconds."""

import hashlib
import json
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from mailweir_spamassassin.perl.exact import Matcher
from mailweir_spamassassin.perl.expression import Expression
from mailweir_spamassassin.perl.literal import PerlRegex
from mailweir_spamassassin.perl.plan import Option, Plan, plan_for

FORMAT: Final = 1
"""To be raised whenever a pattern may be read to another plan than before."""
MAX_FILE_BYTES: Final = 256 * 1024 * 1024

Entry = list[Any]


class Plans:
    """Plans by pattern. Earlier ones are taken from a directory that only this program writes to."""

    def __init__(self, directory: Path | None = None) -> None:
        """Read what is there; what cannot be read is made again."""
        name = f"plans-{FORMAT}-{version('mailweir-spamassassin')}.json"
        self._path = directory / name if directory is not None else None
        self._known = _read(self._path) if self._path is not None else {}
        self._used: dict[str, Entry] = {}

    def plan_for(self, regex: PerlRegex) -> Plan:
        """Return how a pattern is looked for. Raises InvalidRegexError, UnsupportedRegexError."""
        if self._path is None:
            return plan_for(regex)
        key = hashlib.sha256(f"{regex.flags}/{regex.pattern}".encode()).hexdigest()
        entry = self._known.get(key)
        plan = _plan(entry) if entry is not None else None
        if plan is None or entry is None:
            plan = plan_for(regex)
            entry = _entry(plan)
        self._used[key] = entry
        return plan

    def store(self) -> None:
        """Keep the plans that were asked for; where that fails they are made again next time."""
        if self._path is None or self._used.keys() == self._known.keys():
            return
        partial = self._path.with_suffix(f".{threading.get_ident()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._used, separators=(",", ":")))
            partial.replace(self._path)
        except OSError:
            return


def _read(path: Path) -> dict[str, Entry]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _entry(plan: Plan) -> Entry:
    options = [[o.expression.text, o.expression.caseless, o.exact] for o in plan.options]
    joined = [plan.joined.text, plan.joined.caseless] if plan.joined is not None else None
    return [plan.matcher.source.decode("latin-1"), options, plan.letters.decode("latin-1"), joined]


def _plan(entry: Entry) -> Plan | None:
    """Return the plan that an entry says; None for one that is damaged."""
    try:
        source, options, letters, joined = entry
        return Plan(
            Matcher.of(source.encode("latin-1")),
            tuple(Option(Expression(text, caseless), exact) for text, caseless, exact in options),
            letters.encode("latin-1"),
            Expression(*joined) if joined is not None else None,
        )
    except (TypeError, ValueError, AttributeError):
        return None
