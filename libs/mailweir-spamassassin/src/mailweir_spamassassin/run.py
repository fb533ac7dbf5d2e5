"""One message through a rule book's program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from mailweir_spamassassin.captures import MAX_VALUE_BYTES, MAX_VALUES, filled
from mailweir_spamassassin.compiled import HeaderGroup, MetaRule, Program, TemplateRule, Where
from mailweir_spamassassin.conf.model import Target
from mailweir_spamassassin.limits import MAX_HEADER_SCAN_BYTES, MAX_SCAN_BYTES
from mailweir_spamassassin.meta.program import Values
from mailweir_spamassassin.perl.exact import Matcher, StepLimit
from mailweir_spamassassin.perl.literal import InvalidRegexError, UnsupportedRegexError
from mailweir_spamassassin.scan.session import Session
from mailweir_spamassassin.view.api import EvalContext, MessageView


@dataclass(frozen=True, slots=True)
class ScoreSet:
    """One of the four score sets: scores by rule number, and the rules' values where nothing hits.

    Most metas are 0 then, some are not (`!OTHER`); a message's values start from these, and only metas
    that a hit touches are worked out again.
    """

    scores: tuple[float, ...]
    base: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Metas:
    """Meta rules by their place in the order, and for each rule the places of those that depend on it."""

    rules: tuple[MetaRule, ...]
    users: Mapping[int, tuple[int, ...]]

    @classmethod
    def of(cls, rules: Sequence[MetaRule]) -> "Metas":
        """Return `rules`, which are in order, with their dependencies turned round."""
        users: dict[int, list[int]] = {}
        for place, rule in enumerate(rules):
            for number in rule.needs:
                users.setdefault(number, []).append(place)
        return cls(tuple(rules), {n: tuple(places) for n, places in users.items()})

    def base(self, scores: Sequence[float]) -> tuple[float, ...]:
        """Return every rule's value where nothing else hits."""
        values: Values = [0] * len(scores)
        for rule in self.rules:
            values[rule.number] = _value(rule, values, scores)
        return tuple(values)

    def update(self, values: Values, changed: Sequence[int], scores: Sequence[float]) -> None:
        """Work out the metas that depend on `changed` rules, and those that depend on them."""
        users = self.users
        waiting = {place for number in changed for place in users.get(number, ())}
        queue = list(waiting)
        heapify(queue)
        while queue:
            rule = self.rules[heappop(queue)]
            value = _value(rule, values, scores)
            if value == values[rule.number]:
                continue
            values[rule.number] = value
            for place in users.get(rule.number, ()):
                if place not in waiting:
                    waiting.add(place)
                    heappush(queue, place)


def _value(rule: MetaRule, values: Values, scores: Sequence[float]) -> float:
    """Return a meta's value as others see it: positive for a hit; a rule without score never hits."""
    if not scores[rule.number]:
        return 0
    value = rule.run(values)
    if not value:
        return 0
    return value if value > 0 else 1


@dataclass(slots=True)
class MessageRun:
    """One message on its way through the program."""

    program: Program
    names: Sequence[str]
    view: MessageView
    session: Session
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def patterns(self) -> None:
        """Run everything but metas; the findings are in the session."""
        view, session = self.view, self.session
        for group in self.program.headers:
            self._header(group)
        for group in self.program.mimeheaders:
            self._mimeheader(group)
        for target, patterns in self.program.texts.items():
            patterns.scan(_texts(view, target), session)
        if self.program.templates:
            self._templates()
        self._evals()

    def _header(self, group: HeaderGroup) -> None:
        where, session = group.where, self.session
        value = self.view.header(where.header, where.modifier)
        if value is None:
            for number in group.missing:
                session.hit(number, 1, b"")
            return
        for number in group.exists:
            session.hit(number, 1, value)
        group.patterns.scan((value[:MAX_HEADER_SCAN_BYTES],), session)
        self._negate(group)

    def _mimeheader(self, group: HeaderGroup) -> None:
        where, session = group.where, self.session
        values = self.view.mimeheader(where.header, where.modifier)
        if not values:
            return
        for number in group.exists:
            session.hit(number, 1, values[0])
        group.patterns.scan([v[:MAX_HEADER_SCAN_BYTES] for v in values], session)
        self._negate(group)

    def _negate(self, group: HeaderGroup) -> None:
        found = self.session.found
        for number in group.negated:
            if found.pop(number, 0) == 0 and number not in self.session.stopped:
                self.session.hit(number, 1, b"")
            else:
                self.session.where.pop(number, None)

    def _evals(self) -> None:
        session = self.session
        hits = {self.names[n]: times for n, times in session.found.items()}
        contexts: dict[str, EvalContext] = {}
        for rule in self.program.evals:
            context = contexts.get(rule.target)
            if context is None:
                context = EvalContext(self.view, self.settings, hits, rule.target)
                contexts[rule.target] = context
            times = rule.function(context, rule.arguments)
            if times:
                session.found[rule.number] = times
                hits[self.names[rule.number]] = times

    # --- captured texts -----------------------------------------------------------------------------

    def _templates(self) -> None:
        texts = self._captured()
        if not texts:
            return
        for rule in self.program.templates:
            self._template(rule, texts)

    def _captured(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        session = self.session
        for number, names in self.program.captures.items():
            text = session.where.get(number)
            if text is not None:
                self._capture(number, names, text, found)
        return found

    def _capture(
        self, number: int, names: tuple[str, ...], text: bytes, found: dict[str, list[bytes]]
    ) -> None:
        try:
            match = self.program.matchers[number].search(text)
        except StepLimit:
            return
        for name in names if match is not None else ():
            value = match[name] if match is not None else None
            if value and len(found.setdefault(name, [])) < MAX_VALUES:
                found[name].append(value[:MAX_VALUE_BYTES])

    def _template(self, rule: TemplateRule, texts: Mapping[str, Sequence[bytes]]) -> None:
        places = self._template_texts(rule.where)
        if rule.needs:
            # Compiling is what costs; few messages have the captured text where the rule looks for it.
            values = [value.lower() for value in texts.get(rule.needs, ())]
            places = [p for p in places if any(value in p.lower() for value in values)]
        if not places:
            return
        regex = filled(rule.regex, texts)
        if regex is None:
            return
        try:
            matcher = Matcher(regex)
        except (InvalidRegexError, UnsupportedRegexError):
            self.session.stopped.add(rule.number)
            return
        for text in places:
            if self.session.matches(rule.number, matcher, text) is not rule.negated:
                self.session.hit(rule.number, 1, text)
                return

    def _template_texts(self, where: Where) -> Sequence[bytes]:
        if where.target is Target.HEADER:
            value = self.view.header(where.header, where.modifier)
            return (value[:MAX_HEADER_SCAN_BYTES],) if value is not None else ()
        if where.target is Target.MIMEHEADER:
            return self.view.mimeheader(where.header, where.modifier)
        return _texts(self.view, where.target)


_READERS: Mapping[Target, Callable[[MessageView], Sequence[bytes]]] = {
    Target.BODY: lambda view: view.body,
    Target.RAWBODY: lambda view: view.rawbody,
    Target.URI: lambda view: view.uris,
    Target.FULL: lambda view: (view.full,),
}


def _texts(view: MessageView, target: Target) -> Sequence[bytes]:
    texts = _READERS[target](view)
    if any(len(t) > MAX_SCAN_BYTES for t in texts):
        return [t[:MAX_SCAN_BYTES] for t in texts]
    return texts
