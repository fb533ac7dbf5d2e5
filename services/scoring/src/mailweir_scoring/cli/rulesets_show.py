"""Rules as text for people and as JSON for programs."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from mailweir_scoring.cli.rulesets import Rulesets
from mailweir_scoring.policy.ruleset import Rule
from mailweir_spamassassin.conf.model import MetaTest
from mailweir_spamassassin.loading import Loaded
from mailweir_spamassassin.meta.expression import names_of
from mailweir_spamassassin.problems import Problem, Severity

_SUB_RULE: Final = "__"


def check_as_json(found: Rulesets) -> dict[str, Any]:
    """Return what `rules check --json` writes."""
    own: dict[str, Any] = {
        "rules": len(found.own.rules) if found.own else 0,
        "version": found.own.version if found.own else "",
        "problems": list(found.own_problems),
    }
    document: dict[str, Any] = {"own": own}
    if found.spamassassin is not None:
        document["spamassassin"] = _loaded_as_json(found.spamassassin)
    return document


def _loaded_as_json(loaded: Loaded) -> dict[str, Any]:
    coverage = loaded.coverage
    return {
        "files": len(loaded.files.files),
        "version": loaded.files.version,
        "lines": coverage.lines,
        "loaded": coverage.loaded,
        "network": coverage.network,
        "share": round(coverage.share, 4),
        "slow": list(slow_rules(loaded)),
        "problems": [_problem_as_json(p) for p in loaded.problems],
    }


def _problem_as_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "rule": problem.rule,
        "kind": str(problem.kind),
        "severity": str(problem.severity),
        "text": problem.text,
    }


def slow_rules(loaded: Loaded) -> tuple[str, ...]:
    """Return the rules whose pattern is matched by itself in every text."""
    return loaded.book.searched_alone if loaded.book is not None else ()


def check_lines(found: Rulesets) -> Iterator[str]:
    """Yield the report of `rules check`."""
    yield f"own rules: {len(found.own.rules) if found.own else 0} loaded, {len(found.own_problems)} problems"
    yield from (f"  {p}" for p in found.own_problems)
    loaded = found.spamassassin
    if loaded is None:
        return
    coverage = loaded.coverage
    local = coverage.lines - coverage.network
    yield (
        f"SpamAssassin's rules: {coverage.loaded} of {local} lines loaded ({coverage.share:.1%}) from"
        f" {len(loaded.files.files)} files; {coverage.network} more ask the network and stay silent"
    )
    kinds = Counter(p.kind for p in loaded.problems)
    yield from (f"  {count:5d} {kind} ({kind.severity})" for kind, count in kinds.most_common())
    slow = slow_rules(loaded)
    if slow:
        yield f"  {len(slow)} searched for in every text by themselves: {' '.join(slow)}"
    for severity in Severity:
        yield from (
            str(p) for p in loaded.problems if p.severity is severity and p.kind != "network"
        )


def list_rows(found: Rulesets) -> list[dict[str, Any]]:
    """Return a row for each rule: name, score, group, state (runs, silent), description, place."""
    own = found.own.rules.values() if found.own else ()
    rows = [_own_row(rule) for rule in own]
    loaded = found.spamassassin
    if loaded is None:
        return rows
    running = set(loaded.book.running) if loaded.book is not None else set()
    names = sorted(n for n in loaded.files.rules if not n.startswith(_SUB_RULE))
    return rows + [_row(loaded, name, runs=name in running) for name in names]


def _own_row(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.symbol,
        "score": rule.score,
        "group": rule.group,
        "state": "runs",
        "description": rule.description,
        "place": rule.file,
    }


def _row(loaded: Loaded, name: str, *, runs: bool) -> dict[str, Any]:
    return {
        "name": name,
        "score": loaded.files.score_of(name)[0],
        "group": "spamassassin",
        "state": "runs" if runs else "silent",
        "description": loaded.files.descriptions.get(name, ""),
        "place": str(loaded.files.rules[name].place),
    }


def explain(found: Rulesets, name: str) -> dict[str, Any] | None:
    """Return what is known of a rule, None for no rule; an own rule comes before one of SpamAssassin's."""
    if found.own is not None and name in found.own.rules:
        return _own_row(found.own.rules[name])
    loaded = found.spamassassin
    if loaded is None or name not in loaded.files.rules:
        return None
    files, rule = loaded.files, loaded.files.rules[name]
    running = loaded.book is not None and name in loaded.book.numbers
    return {
        **_row(loaded, name, runs=running),
        "definition": rule.source,
        "scores": list(files.score_of(name)),
        "flags": list(files.flags.get(name, ())),
        "why_silent": "" if running else why_silent(loaded, name),
        "depends_on": _needs(rule.test),
        "used_by": sorted(n for n, r in files.rules.items() if name in _needs(r.test)),
    }


def why_silent(loaded: Loaded, name: str) -> str:
    """Return why a rule does not run."""
    if loaded.book is not None and name in loaded.book.built.idle:
        return loaded.book.built.idle[name]
    if not any(loaded.files.score_of(name)):
        return "its score is 0"
    return "nothing that has a score uses it"


def _needs(test: object) -> list[str]:
    return list(dict.fromkeys(names_of(test.expression))) if isinstance(test, MetaTest) else []


def explain_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield what `rules explain` writes."""
    yield f"{found['name']}  ({found['group']}, {found['state']})"
    for key, value in found.items():
        if key in ("name", "group", "state") or value in ("", []):
            continue
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"  {key.replace('_', ' '):12} {text}"
