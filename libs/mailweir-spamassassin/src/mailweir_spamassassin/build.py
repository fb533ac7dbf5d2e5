"""From what rule files define to what runs: patterns compiled, eval tests found, metas ordered."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mailweir_spamassassin.captures import (
    MARK,
    captured_names,
    marked,
    wanted_names,
    without_templates,
)
from mailweir_spamassassin.compiled import (
    EvalRule,
    HeaderGroup,
    MetaRule,
    Program,
    TemplateRule,
    Where,
)
from mailweir_spamassassin.conf.model import (
    EvalTest,
    ExistsTest,
    HeaderTest,
    MetaTest,
    NetworkTest,
    PatternTest,
    RuleDef,
    RuleFileSet,
    Target,
)
from mailweir_spamassassin.conf.names import modern
from mailweir_spamassassin.meta.expression import Node, names_of
from mailweir_spamassassin.meta.order import expand_globs, in_order, reachable
from mailweir_spamassassin.meta.program import compile_meta
from mailweir_spamassassin.perl.exact import StepLimit
from mailweir_spamassassin.perl.literal import (
    InvalidRegexError,
    PerlRegex,
    UnsupportedRegexError,
    read_literal,
)
from mailweir_spamassassin.perl.parse import UnreadableRegexError, parse_regex
from mailweir_spamassassin.perl.plan import Plan
from mailweir_spamassassin.perl.plans import Plans
from mailweir_spamassassin.perl.shape import has_literal
from mailweir_spamassassin.perl.tags import TagFiller
from mailweir_spamassassin.problems import ProblemKind, ProblemLog
from mailweir_spamassassin.scan.database import Databases
from mailweir_spamassassin.scan.patterns import Pattern, PatternSet, times
from mailweir_spamassassin.view.api import EvalFunction

T = TypeVar("T")
CONSTANTS: Final = {"local_tests_only": 1.0}


@dataclass(frozen=True, slots=True)
class Evals:
    """Eval tests by name: those that run, and why others do not."""

    functions: Mapping[str, EvalFunction] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> EvalFunction | None:
        """Return the function of a name in its old or its present spelling."""
        return self.functions.get(name) or self.functions.get(modern(name))

    def why_not(self, name: str) -> str:
        """Return why a test does not run, empty for a name that is not known."""
        return self.unsupported.get(name) or self.unsupported.get(modern(name)) or ""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A pattern rule whose pattern is good."""

    rule: RuleDef
    where: Where
    regex: PerlRegex
    plan: Plan


@dataclass(frozen=True, slots=True)
class Built:
    """The program, the rules' names by number, and the rules that do not run with the reason."""

    program: Program
    names: tuple[str, ...]
    idle: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Makers:
    """What patterns are made with: plans of them, and the scanner's databases; both may know earlier ones."""

    plans: Plans
    databases: Databases


def build(
    files: RuleFileSet, evals: Evals, makers: Makers, problems: ProblemLog, *, net: bool
) -> Built:
    """Return what runs of `files`; `net`: also rules flagged `net` whose eval test asks no network here."""
    return _Build(files, evals, makers, problems, net).finish()


class _Build:
    def __init__(
        self,
        files: RuleFileSet,
        evals: Evals,
        makers: Makers,
        problems: ProblemLog,
        net: bool,
    ) -> None:
        self._files = files
        self._evals = evals
        self._plans = makers.plans
        self._databases = makers.databases
        self._problems = problems
        self._net = net
        self._filler = TagFiller(files.replace)
        self._idle: dict[str, str] = {}
        self._patterns: list[_Ready] = []
        self._found_evals: dict[str, EvalFunction] = {}
        self._exists: list[RuleDef] = []
        self._metas: dict[str, Node] = {}
        self._ordered: tuple[str, ...] = ()

    def finish(self) -> Built:
        for rule in self._files.rules.values():
            self._take(rule)
        self._order_metas()
        live = self._live()
        names = tuple(sorted(n for n in self._runnable() if n in live))
        numbers = {name: number for number, name in enumerate(names)}
        return Built(self._program(numbers), names, self._idle)

    def _runnable(self) -> list[str]:
        patterns = [r.rule.name for r in self._patterns]
        exists = [r.name for r in self._exists]
        return [*patterns, *exists, *self._found_evals, *self._ordered]

    def _live(self) -> frozenset[str]:
        """Return the rules that have a score in some set, what they need, and what captures texts."""
        files = self._files
        scored = [n for n in files.rules if not n.startswith("__") and any(files.score_of(n))]
        capturing = [r.rule.name for r in self._patterns if captured_names(r.regex)]
        live = reachable([*scored, *capturing], self._metas)
        return frozenset(n for n in live if any(files.score_of(n)))

    # --- one rule after the other -------------------------------------------------------------------

    def _take(self, rule: RuleDef) -> None:
        flags = self._files.flags.get(rule.name, ())
        test = rule.test
        if isinstance(test, NetworkTest):
            self._leave_out(rule, ProblemKind.NETWORK, f"{test.what} asks the network")
        elif "net" in flags and isinstance(test, EvalTest) and not self._net:
            self._leave_out(rule, ProblemKind.NETWORK, "flagged `net`: it asks the network")
        elif isinstance(test, MetaTest):
            self._metas[rule.name] = test.expression
        elif isinstance(test, EvalTest):
            self._take_eval(rule, test)
        elif isinstance(test, ExistsTest):
            self._exists.append(rule)
        else:
            self._take_pattern(rule, test)

    def _leave_out(self, rule: RuleDef, kind: ProblemKind, text: str) -> None:
        self._idle[rule.name] = f"{kind}: {text}"
        self._problems.add(rule.place, kind, text, rule.name)

    def _take_eval(self, rule: RuleDef, test: EvalTest) -> None:
        function = self._evals.find(test.function)
        if function is not None:
            self._found_evals[rule.name] = function
            return
        reason = self._evals.why_not(test.function)
        kind = ProblemKind.TEST_UNSUPPORTED if reason else ProblemKind.EVAL_UNKNOWN
        self._leave_out(rule, kind, f"eval:{test.function}(): {reason or 'no such test'}")

    def _take_pattern(self, rule: RuleDef, test: PatternTest | HeaderTest) -> None:
        try:
            regex = read_literal(test.literal)
            if rule.name in self._files.replace.rules:
                regex = self._filler.fill(regex)
            plain = without_templates(regex) if wanted_names(regex) else regex
            plan = self._plans.plan_for(plain)
        except InvalidRegexError as error:
            self._leave_out(rule, ProblemKind.REGEX_INVALID, str(error))
        except UnsupportedRegexError as error:
            self._leave_out(rule, ProblemKind.REGEX_UNSUPPORTED, str(error))
        else:
            self._patterns.append(_Ready(rule, _where(rule, test), regex, plan))

    def _order_metas(self) -> None:
        names = sorted(self._files.rules.keys() | self._files.scores.keys())
        self._metas = {n: expand_globs(e, names, n) for n, e in self._metas.items()}
        self._ordered, circle = in_order(self._metas)
        for name in sorted(circle):
            rule = self._files.rules[name]
            self._leave_out(rule, ProblemKind.META_CYCLE, "depends on itself in the end")

    # --- everything together ------------------------------------------------------------------------

    def _program(self, numbers: Mapping[str, int]) -> Program:
        ready = [r for r in self._patterns if r.rule.name in numbers]
        plain = [r for r in ready if not wanted_names(r.regex)]
        groups = _HeaderGroups(self._files, self._databases, numbers)
        return Program(
            headers=groups.of(Target.HEADER, plain, self._exists),
            mimeheaders=groups.of(Target.MIMEHEADER, plain, self._exists),
            texts=self._texts(plain, numbers),
            captures={numbers[r.rule.name]: n for r in plain if (n := captured_names(r.regex))},
            templates=tuple(_template(r, numbers) for r in ready if wanted_names(r.regex)),
            evals=tuple(self._eval_rule(n, numbers) for n in sorted(self._found_evals) if n in numbers),
            metas=tuple(self._meta_rule(n, numbers) for n in self._ordered if n in numbers),
            matchers={numbers[r.rule.name]: r.plan.matcher for r in plain},
        )  # fmt: skip

    def _texts(self, ready: list[_Ready], numbers: Mapping[str, int]) -> dict[Target, PatternSet]:
        found: dict[Target, list[Pattern]] = {}
        for each in ready:
            if each.where.header:
                continue
            flags = self._files.flags.get(each.rule.name, ())
            skip = int(each.where.target is Target.BODY and "nosubject" in flags)
            pattern = Pattern(numbers[each.rule.name], each.plan, times(flags), skip)
            found.setdefault(each.where.target, []).append(pattern)
        return {
            target: PatternSet(patterns, self._databases, joined=target is not Target.FULL)
            for target, patterns in found.items()
        }

    def _eval_rule(self, name: str, numbers: Mapping[str, int]) -> EvalRule:
        rule = self._files.rules[name]
        arguments = rule.test.arguments if isinstance(rule.test, EvalTest) else ()
        return EvalRule(numbers[name], self._found_evals[name], arguments, str(rule.target))

    def _meta_rule(self, name: str, numbers: Mapping[str, int]) -> MetaRule:
        node = self._metas[name]
        needs = tuple({numbers[n] for n in names_of(node) if n in numbers})
        return MetaRule(numbers[name], compile_meta(node, numbers, CONSTANTS), needs)


def _where(rule: RuleDef, test: PatternTest | HeaderTest) -> Where:
    if isinstance(test, HeaderTest):
        return Where(rule.target, test.header, test.modifier)
    return Where(rule.target)


def _template(ready: _Ready, numbers: Mapping[str, int]) -> TemplateRule:
    test = ready.rule.test
    negated = isinstance(test, HeaderTest) and test.negated
    needs = "" if negated else _needed(ready.regex)
    return TemplateRule(numbers[ready.rule.name], ready.where, ready.regex, negated, needs)


def _needed(regex: PerlRegex) -> str:
    for name in wanted_names(regex):
        try:
            if has_literal(parse_regex(marked(regex, name)), MARK):
                return name
        except UnreadableRegexError:
            return ""
    return ""


class _HeaderGroups:
    """Rules on headers, those on one header together."""

    def __init__(
        self, files: RuleFileSet, databases: Databases, numbers: Mapping[str, int]
    ) -> None:
        self._files = files
        self._databases = databases
        self._numbers = numbers

    def of(
        self, target: Target, ready: list[_Ready], exists: list[RuleDef]
    ) -> tuple[HeaderGroup, ...]:
        patterns = _by(ready, lambda r: r.where if r.where.target is target else None)
        asked = _by(exists, lambda r: _exists_where(r, target))
        wheres = dict.fromkeys([*patterns, *asked])
        return tuple(self._group(w, patterns.get(w, []), asked.get(w, [])) for w in wheres)

    def _group(self, where: Where, ready: list[_Ready], exists: list[RuleDef]) -> HeaderGroup:
        numbers = self._numbers
        made = [
            Pattern(numbers[r.rule.name], r.plan, times(self._files.flags.get(r.rule.name, ())))
            for r in ready
        ]
        return HeaderGroup(
            where,
            PatternSet(made, self._databases),
            negated=tuple(numbers[r.rule.name] for r in ready if _test(r).negated),
            missing=tuple(numbers[r.rule.name] for r in ready if _hits_without(r)),
            exists=tuple(numbers[r.name] for r in exists if r.name in numbers),
        )


def _by(items: Iterable[T], key: Callable[[T], Where | None]) -> dict[Where, list[T]]:
    found: dict[Where, list[T]] = {}
    for item in items:
        where = key(item)
        if where is not None:
            found.setdefault(where, []).append(item)
    return found


def _exists_where(rule: RuleDef, target: Target) -> Where | None:
    if rule.target is not target or not isinstance(rule.test, ExistsTest):
        return None
    return Where(target, rule.test.header)


def _test(ready: _Ready) -> HeaderTest:
    test = ready.rule.test
    if not isinstance(test, HeaderTest):
        raise TypeError(f"{ready.rule.name} is no rule on a header")
    return test


def _hits_without(ready: _Ready) -> bool:
    """Say whether a rule hits a message that has no such header: SpamAssassin matches the empty text then."""
    test = _test(ready)
    try:
        found = ready.plan.matcher.search((test.unset or "").encode("latin-1")) is not None
    except StepLimit:
        return False
    return found is not test.negated
