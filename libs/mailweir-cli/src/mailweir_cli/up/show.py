"""What `mailweir up` does with the sample mails: sends them, follows each to its end, shows and checks."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from mailweir_cli.api import Api
from mailweir_cli.exits import CommandError
from mailweir_cli.output import escaped, table
from mailweir_cli.samples import Sample
from mailweir_cli.smtp import Answer, Outgoing, Server, send_all
from mailweir_mail.edit import first_header

SETTLE_SECONDS: Final = 60.0
"""Longest wait until a sample has been delivered, held or refused."""
_POLL_SECONDS: Final = 0.25
_SHOWN_SIGNALS: Final = 3
_UNSETTLED: Final = ("", "queued", "released")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A sample, what the server said, and its record (empty where none was found in time)."""

    sample: Sample
    answer: Answer
    record: Mapping[str, Any]

    @property
    def state(self) -> str:
        """Return where it is now, or the empty string."""
        return str(self.record.get("state", ""))

    @property
    def settled(self) -> bool:
        """Say whether nothing more will happen to it by itself.

        Word of its delivery can come before the record itself; then there is no action yet.
        """
        return self.state not in _UNSETTLED and bool(self.record.get("action"))

    @property
    def expected(self) -> bool:
        """Say whether its action is one that is right for it."""
        return self.record.get("action") in {action.value for action in self.sample.expected}


async def send_samples(
    server: Server, samples: Sequence[Sample], fetch: Callable[[str], Mapping[str, Any]]
) -> list[Outcome]:
    """Send the samples over SMTP and follow each to its end; `fetch` gets a record by its reference."""
    mails = [Outgoing(s.name, s.sender, s.recipients, s.content) for s in samples]
    answers = await send_all(server, mails)
    end = time.monotonic() + SETTLE_SECONDS
    outcomes = []
    for sample, answer in zip(samples, answers, strict=True):
        outcomes.append(await _settled(Outcome(sample, answer, {}), fetch, end))
    return outcomes


async def _settled(
    outcome: Outcome, fetch: Callable[[str], Mapping[str, Any]], end: float
) -> Outcome:
    reference = outcome.answer.reference
    while reference:
        record = await asyncio.to_thread(fetch, reference)
        outcome = Outcome(outcome.sample, outcome.answer, record)
        if outcome.settled or time.monotonic() > end:
            break
        await asyncio.sleep(_POLL_SECONDS)
    return outcome


_COLOURS: Final = {"accept": "green", "tag": "yellow", "hold": "magenta", "reject": "red"}


def record_of(api: Api, reference: str) -> Mapping[str, Any]:
    """Return the record of a message, empty where there is none yet."""
    try:
        record = api.get(f"/messages/{reference}")
    except CommandError:
        return {}
    return record if isinstance(record, dict) else {}


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row per sample: reply, verdict, score, reasons, where it is now."""
    columns = ("sample", "reply", "verdict", ">score", "reasons", "now")
    return table("Twelve sample mails", columns, [_row(o) for o in outcomes])


def _row(outcome: Outcome) -> tuple[str, ...]:
    record = outcome.record
    action = str(record.get("action", "–"))
    colour = _COLOURS.get(action, "bold")
    score = record.get("score")
    return (
        escaped(outcome.sample.title),
        str(outcome.answer.code or "no reply"),
        f"[{colour}]{escaped(action)}[/{colour}]",
        f"{score:.1f}" if isinstance(score, int | float) else "–",
        escaped(_reasons(record)),
        escaped(outcome.state or "unknown"),
    )


def _reasons(record: Mapping[str, Any]) -> str:
    signals = sorted(record.get("signals", ()), key=lambda s: -float(s.get("score", 0)))
    names = [str(s.get("name", "")) for s in signals]
    more = f" +{len(names) - _SHOWN_SIGNALS}" if len(names) > _SHOWN_SIGNALS else ""
    found = ", ".join(names[:_SHOWN_SIGNALS]) + more
    return ": ".join(part for part in (str(record.get("reason", "")), found) if part)


def maildir_copies(maildir: Path) -> Counter[str]:
    """Return how often each reference lies in the Maildir (or in Maildirs below it)."""
    found: Counter[str] = Counter()
    for path in maildir.rglob("*"):
        if path.parent.name in ("new", "cur") and path.is_file():
            value = first_header(path.read_bytes(), "X-Mailweir-Id")
            found[(value or b"").decode("ascii", "replace")] += 1
    return found


def disagreements(outcomes: Sequence[Outcome], copies: Counter[str] | None) -> list[str]:
    """Return a sentence for everything that is not as it should be; `copies` None: there is no Maildir."""
    wrong = []
    for o in outcomes:
        name = o.sample.name
        if not o.answer.reference:
            wrong.append(f"{name}: the reply has no reference: {o.answer.code} {o.answer.reply}")
        elif not o.settled:
            wrong.append(f"{name}: it has not settled, its state is {o.state or 'unknown'}")
        elif not o.expected:
            right = " or ".join(sorted(o.sample.expected))
            wrong.append(f"{name}: the verdict is {o.record.get('action')}, not {right}")
        if copies is not None and o.answer.reference:
            there = copies[o.answer.reference]
            wanted = len(o.sample.recipients) if o.state == "delivered" else 0
            if there != wanted:
                wrong.append(f"{name}: {o.state or 'unknown'}, but {there} times in the Maildir")
    return wrong


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many are where."""
    counted = Counter(o.state or "unknown" for o in outcomes)
    return ", ".join(f"{number} {state}" for state, number in sorted(counted.items()))
