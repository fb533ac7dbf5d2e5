"""What each directive does to the set that is being read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mailweir_spamassassin.conf.lines import Line
from mailweir_spamassassin.conf.model import (
    SCORE_SETS,
    NetworkTest,
    RuleDef,
    RuleLine,
    Target,
    Test,
)
from mailweir_spamassassin.conf.names import (
    NETWORK_RULES,
    TEMPLATES,
    UNSUPPORTED_RULES,
    is_setting,
    modern,
)
from mailweir_spamassassin.conf.source import as_text
from mailweir_spamassassin.conf.tests import InvalidMetaError, InvalidTestError, read_test
from mailweir_spamassassin.limits import MAX_NAME_CHARS, MAX_RULES
from mailweir_spamassassin.problems import Place, ProblemKind, ProblemLog

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SCORE: Final = re.compile(r"(\()?(-?\d+(?:\.\d+)?)(\))?", re.ASCII)
_INTEGER: Final = re.compile(r"-?\d{1,9}", re.ASCII)
MAX_SCORE: Final = 1_000_000.0


@dataclass(slots=True)
class Draft:
    """A set while its files are read."""

    problems: ProblemLog
    rules: dict[str, RuleDef] = field(default_factory=dict)
    lines: list[RuleLine] = field(default_factory=list)
    scores: dict[str, tuple[float, ...]] = field(default_factory=dict)
    score_places: dict[str, Place] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    priorities: dict[str, int] = field(default_factory=dict)
    settings: dict[str, list[str]] = field(default_factory=dict)
    templates: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(
        default_factory=lambda: {k: {} for k in ("tag", "pre", "inter", "post")}
    )
    markers: dict[str, str] = field(default_factory=lambda: {"start": "<", "end": ">"})
    replace_rules: set[str] = field(default_factory=set)
    too_many: bool = False


Handler = Callable[[Draft, Line], None]


def apply_line(draft: Draft, line: Line) -> None:
    """Take one directive into the draft, or note why not."""
    key = modern(line.key)
    handler = HANDLERS.get(key)
    if handler is not None:
        handler(draft, line)
    elif key in NETWORK_RULES:
        _network_rule(draft, line)
    elif key in UNSUPPORTED_RULES:
        _unsupported_rule(draft, line)
    elif is_setting(key):
        _setting(draft, key, line)
    else:
        draft.problems.add(line.place, ProblemKind.DIRECTIVE_UNKNOWN, f"no directive {line.key!r}")


def _name_and_rest(draft: Draft, line: Line) -> tuple[str, str] | None:
    name, _, rest = line.value.partition(" ")
    if "\t" in name:
        name, _, more = line.value.partition("\t")
        rest = more
    rest = rest.strip()
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        draft.problems.add(line.place, ProblemKind.NAME, f"{name[:40]!r} is no name of a rule")
        return None
    if not rest:
        text = f"{line.key}: nothing stands behind the name"
        draft.problems.add(line.place, ProblemKind.SYNTAX, text, name)
        return None
    return name, rest


def _rule(target: Target) -> Handler:
    def define(draft: Draft, line: Line) -> None:
        found = _name_and_rest(draft, line)
        if found is None:
            draft.lines.append(RuleLine(line.place, ""))
            return
        name, text = found
        draft.lines.append(RuleLine(line.place, name))
        try:
            test = read_test(target, text)
        except InvalidTestError as error:
            kind = ProblemKind.SYNTAX
            if isinstance(error, InvalidMetaError):
                kind = ProblemKind.META_INVALID
            draft.problems.add(line.place, kind, str(error), name)
            return
        _add(draft, RuleDef(name, target, test, line.place, f"{line.key} {text}"))

    return define


def _network_rule(draft: Draft, line: Line) -> None:
    _other_rule(draft, line, NetworkTest(line.key))


def _unsupported_rule(draft: Draft, line: Line) -> None:
    found = _name_and_rest(draft, line)
    name = found[0] if found else ""
    draft.lines.append(RuleLine(line.place, name))
    text = f"{line.key} rules are not run"
    draft.problems.add(line.place, ProblemKind.TEST_UNSUPPORTED, text, name)


def _other_rule(draft: Draft, line: Line, test: Test) -> None:
    found = _name_and_rest(draft, line)
    draft.lines.append(RuleLine(line.place, found[0] if found else ""))
    if found is not None:
        name, text = found
        _add(draft, RuleDef(name, Target.HEADER, test, line.place, f"{line.key} {text}"))


def _add(draft: Draft, rule: RuleDef) -> None:
    before = draft.rules.get(rule.name)
    if before is not None and isinstance(before.test, NetworkTest):
        pass  # `urirhssub NAME …` and `body NAME eval:check_uridnsbl('NAME')` are one rule's two lines
    elif before is not None:
        same = " with the same text" if before.source == rule.source else ""
        text = f"defined again{same}; the first was at {before.place}, the last one counts"
        draft.problems.add(rule.place, ProblemKind.DUPLICATE, text, rule.name)
    elif len(draft.rules) >= MAX_RULES:
        if not draft.too_many:
            text = f"more than {MAX_RULES} rules; this and all later ones are left out"
            draft.problems.add(rule.place, ProblemKind.LIMIT, text, rule.name)
        draft.too_many = True
        return
    draft.rules[rule.name] = rule


def _score(draft: Draft, line: Line) -> None:
    found = _name_and_rest(draft, line)
    if found is None:
        return
    name, text = found
    parts = [_SCORE.fullmatch(p) for p in text.split()]
    if len(parts) not in (1, SCORE_SETS) or not all(parts):
        draft.problems.add(line.place, ProblemKind.VALUE, "a score is one number or four", name)
        return
    numbers = [float(p[2]) for p in parts if p]
    if any(abs(n) > MAX_SCORE for n in numbers):
        draft.problems.add(line.place, ProblemKind.VALUE, f"a score over {MAX_SCORE:g}", name)
        return
    if len(numbers) == 1:
        numbers *= SCORE_SETS
    if any(p[1] and p[3] for p in parts if p):
        _relative_score(draft, line, name, numbers)
    else:
        _set_score(draft, line, name, numbers)


def _relative_score(draft: Draft, line: Line, name: str, numbers: list[float]) -> None:
    before = draft.scores.get(name)
    if before is None:
        text = "a relative score, and no score before it"
        draft.problems.add(line.place, ProblemKind.VALUE, text, name)
        return
    _set_score(draft, line, name, [a + b for a, b in zip(before, numbers, strict=True)])


def _set_score(draft: Draft, line: Line, name: str, numbers: list[float]) -> None:
    draft.scores[name] = tuple(numbers)
    draft.score_places[name] = line.place


def _describe(draft: Draft, line: Line) -> None:
    found = _name_and_rest(draft, line)
    if found is not None:
        draft.descriptions[found[0]] = as_text(found[1])


def _flags(draft: Draft, line: Line) -> None:
    found = _name_and_rest(draft, line)
    if found is not None:
        draft.flags[found[0]] = tuple(found[1].lower().split())


def _priority(draft: Draft, line: Line) -> None:
    found = _name_and_rest(draft, line)
    if found is None:
        return
    if _INTEGER.fullmatch(found[1]):
        draft.priorities[found[0]] = int(found[1])
    else:
        draft.problems.add(line.place, ProblemKind.VALUE, "a priority is a whole number", found[0])


def _replace(part: str) -> Handler:
    def define(draft: Draft, line: Line) -> None:
        name, _, text = line.value.replace("\t", " ").partition(" ")
        if name and text.strip():
            draft.tags[part][name] = line.value[len(name) :].strip()
        else:
            text = f"replace_{part} needs a name and a text"
            draft.problems.add(line.place, ProblemKind.SYNTAX, text)

    return define


def _marker(which: str) -> Handler:
    def define(draft: Draft, line: Line) -> None:
        if line.value:
            draft.markers[which] = line.value
        else:
            draft.problems.add(line.place, ProblemKind.SYNTAX, f"replace_{which} needs a text")

    return define


def _replace_rules(draft: Draft, line: Line) -> None:
    draft.replace_rules.update(line.value.split())


def _template(draft: Draft, line: Line) -> None:
    draft.templates.setdefault(line.key, []).append(as_text(line.value))


def _clear_template(name: str) -> Handler:
    def clear(draft: Draft, _line: Line) -> None:
        draft.templates.pop(name, None)

    return clear


def _setting(draft: Draft, key: str, line: Line) -> None:
    draft.settings.setdefault(key, []).append(as_text(line.value))


HANDLERS: Final[Mapping[str, Handler]] = {
    **{str(target): _rule(target) for target in Target},
    "score": _score,
    "describe": _describe,
    "tflags": _flags,
    "priority": _priority,
    **{f"replace_{part}": _replace(part) for part in ("tag", "pre", "inter", "post")},
    "replace_start": _marker("start"),
    "replace_end": _marker("end"),
    "replace_rules": _replace_rules,
    **dict.fromkeys(TEMPLATES, _template),
    "clear_report_template": _clear_template("report"),
    "clear_unsafe_report_template": _clear_template("unsafe_report"),
    "clear_headers": _clear_template("add_header"),
}
