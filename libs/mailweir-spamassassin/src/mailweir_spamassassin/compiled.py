"""The parts of a rule book: what each kind of rule has become."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailweir_spamassassin.conf.model import Target
from mailweir_spamassassin.meta.program import MetaFunction
from mailweir_spamassassin.perl.exact import Matcher
from mailweir_spamassassin.perl.literal import PerlRegex
from mailweir_spamassassin.scan.patterns import PatternSet
from mailweir_spamassassin.view.api import EvalFunction


@dataclass(frozen=True, slots=True)
class Where:
    """What a pattern looks at: a target, and for headers the name and modifier."""

    target: Target
    header: str = ""
    modifier: str = ""


@dataclass(frozen=True, slots=True)
class HeaderGroup:
    """All rules on one header. `missing` are those that hit a message without it."""

    where: Where
    patterns: PatternSet
    negated: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    exists: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class EvalRule:
    """An eval test: its number, function, arguments and the kind of rule that asks."""

    number: int
    function: EvalFunction
    arguments: tuple[str, ...]
    target: str


@dataclass(frozen=True, slots=True)
class TemplateRule:
    """A rule whose pattern holds texts that other rules captured.

    One of the texts of the name `needs`, if there is such a name, is in each text that the pattern matches.
    """

    number: int
    where: Where
    regex: PerlRegex
    negated: bool = False
    needs: str = ""


@dataclass(frozen=True, slots=True)
class MetaRule:
    """A meta rule: its number, function, and the numbers of the rules it depends on."""

    number: int
    run: MetaFunction
    needs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that runs, in the order in which it runs."""

    headers: tuple[HeaderGroup, ...] = ()
    mimeheaders: tuple[HeaderGroup, ...] = ()
    texts: Mapping[Target, PatternSet] = field(default_factory=dict)
    captures: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    templates: tuple[TemplateRule, ...] = ()
    evals: tuple[EvalRule, ...] = ()
    metas: tuple[MetaRule, ...] = ()
    matchers: Mapping[int, Matcher] = field(default_factory=dict)

    @property
    def searched_alone(self) -> frozenset[int]:
        """Return the rules on texts whose pattern no scanner narrows down."""
        return frozenset(n for patterns in self.texts.values() for n in patterns.searched_alone)
