"""What becomes of the samples is shown and checked: REST, Maildir and expectation must agree."""

import io
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rich.console import Console

from mailweir_cli.api import Api
from mailweir_cli.samples import Sample, load_samples
from mailweir_cli.smtp import Answer, Server
from mailweir_cli.up import show
from mailweir_cli.up.report import LineReporter, TableReporter, status_table
from mailweir_cli.up.status import Phase, Status
from mailweir_core.decision import Action
from mailweir_testkit.builders import mail
from mailweir_testkit.sink import sink

REF = "01JABCDEFGHJKMNPQRSTVWXYZ0-1"


def sample(expected: Action = Action.ACCEPT, recipients: int = 1) -> Sample:
    to = tuple(f"bob{n}@example.com" for n in range(recipients))
    return Sample("01-x", "A [plain] letter", "a@b", to, frozenset({expected}), mail())


def outcome(
    action: str = "accept", state: str = "delivered", reply: str = f"2.0.0 ok [{REF}]", **more: Any
) -> show.Outcome:
    record = {"action": action, "state": state, "reason": "clean", "score": 0.5, **more}
    return show.Outcome(sample(), Answer("01-x", 250, reply, 0.1), record)


def shown(what: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(what)
    return out.getvalue()


def test_agreement_has_nothing_to_say() -> None:
    assert show.disagreements([outcome()], Counter({REF: 1})) == []
    assert show.disagreements([outcome()], None) == []


@pytest.mark.parametrize(
    ("found", "copies", "what"),
    [
        (outcome(), 0, "delivered, but 0 times in the Maildir"),
        (outcome(), 2, "delivered, but 2 times in the Maildir"),
        (outcome(state="held", action="accept"), 1, "held, but 1 times"),
        (outcome(state="queued"), 0, "it has not settled, its state is queued"),
        (outcome(action="reject", state="refused"), 0, "the verdict is reject, not accept"),
        (outcome(reply="2.0.0 ok"), 0, "the reply has no reference: 250 2.0.0 ok"),
        (show.Outcome(sample(), Answer("x", 250, f"[{REF}]", 0), {}), 0, "its state is unknown"),
    ],
)
def test_each_disagreement_is_a_sentence(found: show.Outcome, copies: int, what: str) -> None:
    wrong = show.disagreements([found], Counter({REF: copies}))
    assert any(what in line for line in wrong)
    assert all(line.startswith("01-x: ") for line in wrong)


def test_the_table_shows_verdict_score_reasons_and_place() -> None:
    signals = [
        {"name": n, "score": s} for n, s in (("LOW", 1), ("TOP", 5), ("MID", 3), ("NEG", -1))
    ]
    text = shown(show.outcome_table([outcome(signals=signals)]))
    for word in (
        "A [plain] letter",
        "250",
        "accept",
        "0.5",
        "clean: TOP, MID, LOW +1",
        "delivered",
    ):
        assert word in text
    empty = shown(show.outcome_table([show.Outcome(sample(), Answer("x", 0, "gone", 0), {})]))
    assert "no reply" in empty
    assert "unknown" in empty


def test_the_maildir_is_counted_by_reference(tmp_path: Path) -> None:
    for place, number in (("bob/new", 1), ("bob/cur", 2), ("bob/tmp", 3)):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / str(number)).write_bytes(f"X-Mailweir-Id: {REF}\r\n".encode() + mail())
    assert show.maildir_copies(tmp_path) == {REF: 2}
    assert show.maildir_copies(tmp_path / "none") == {}


async def test_samples_are_sent_and_followed_until_they_settle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(show, "_POLL_SECONDS", 0.01)
    states = iter(["", "early", "queued", "delivered"])
    asked: list[str] = []

    def fetch(reference: str) -> Mapping[str, Any]:
        asked.append(reference)
        state = next(states)
        if state == "early":  # the delivery is known before the record
            return {"state": "delivered", "action": ""}
        return {"state": state, "action": "accept"} if state else {}

    async with sink() as target:
        monkeypatch.setattr(Answer, "reference", property(lambda _: REF))
        (got,) = await show.send_samples(Server(*target.address), [sample()], fetch)
        assert len(target.mails) == 1
    assert got.settled
    assert asked == [REF] * 4


async def test_what_never_settles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(Answer, "reference", property(lambda _: REF))
    async with sink() as target:
        (got,) = await show.send_samples(
            Server(*target.address), [sample()], lambda _: {"state": "queued"}
        )
    assert not got.settled


def test_a_record_that_is_not_there_yet_is_empty() -> None:
    answers = iter([httpx2.Response(404, json={}), httpx2.Response(200, json={"state": "held"})])
    with Api("http://x", "key", httpx2.MockTransport(lambda _: next(answers))) as api:
        assert show.record_of(api, REF) == {}
        assert show.record_of(api, REF) == {"state": "held"}


def test_the_shipped_samples_can_all_be_shown() -> None:
    samples = load_samples(1_750_000_000.0)
    assert len(samples) == 12
    outcomes = [show.Outcome(s, Answer(s.name, 250, f"[{REF}]", 0), {}) for s in samples]
    assert shown(show.outcome_table(outcomes)).count("unknown") == 12
    assert show.summary(outcomes) == "12 unknown"


STATUS = Status("ingress", Phase.BACKOFF, 7, 2, "smtp [::1]:25", "killed by SIGKILL; again in 1 s")


def test_a_line_per_change() -> None:
    out = io.StringIO()
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    reporter = LineReporter(Console(file=out, width=200), lambda: moment)
    reporter.begin(list)
    reporter.changed(STATUS)
    reporter.end()
    assert out.getvalue() == "03:04:05 ingress backoff (pid 7): killed by SIGKILL; again in 1 s\n"


def test_a_table_that_follows_the_changes() -> None:
    text = shown(status_table([STATUS]))
    for word in ("ingress", "7", "backoff", "2", "smtp [::1]:25", "killed by SIGKILL"):
        assert word in text
    out = io.StringIO()
    statuses = [STATUS]
    reporter = TableReporter(Console(file=out, force_terminal=True, width=120))
    reporter.changed(STATUS)
    assert out.getvalue() == ""
    reporter.begin(lambda: statuses)
    statuses[0] = Status("ingress", Phase.READY, 8, 3, "", "")
    reporter.changed(statuses[0])
    reporter.say("[bold]above[/bold]")
    reporter.end()
    assert "backoff" in out.getvalue()
    assert "ready" in out.getvalue()
    assert "above" in out.getvalue()
