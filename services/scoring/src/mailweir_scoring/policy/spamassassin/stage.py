"""The stage `spamassassin`: runs a rule book over a message.

Its symbols are the rules' names; one that an own rule has too gets `SA_` before it. What they are worth comes
with the rule book (`rules_of`) and is no part of the rule files.
"""

from collections.abc import Iterable, Mapping, Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from mailweir_core.asking import Asking
from mailweir_mail import Message
from mailweir_policy.spamassassin import SpamAssassinPolicy
from mailweir_scoring.policy.facts import Facts, Found, Hit
from mailweir_scoring.policy.pipeline import AskingStage
from mailweir_scoring.policy.ruleset import Rule
from mailweir_spamassassin.rulebook import RuleBook, RunResult
from mailweir_spamassassin.view.message import Envelope, View
from mailweir_spamassassin.view.site import Site

GROUP: Final = "spamassassin"
PREFIX: Final = "SA_"
_SUB_RULE: Final = "__"


@dataclass(frozen=True, slots=True)
class SpamAssassin:
    """A rule book with what is prepared once for it. `renamed` maps names that own rules have to ours."""

    book: RuleBook
    site: Site
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, book: RuleBook, own: AbstractSet[str]) -> "SpamAssassin":
        """Prepare a book; `own` are the symbols of the rules that it must not be confused with."""
        renamed = {name: PREFIX + name for name in book.running if name in own}
        return cls(book, Site(book.files.settings), renamed)

    def symbol(self, name: str) -> str:
        """Return the symbol of a rule."""
        return self.renamed.get(name, name)


def rules_of(module: SpamAssassin, policy: SpamAssassinPolicy | None = None) -> tuple[Rule, ...]:
    """Return the rules that the stage may report, with their scores by `policy` (default: the defaults)."""
    policy = policy or SpamAssassinPolicy()
    return tuple(_rules(module, policy))


def _rules(module: SpamAssassin, policy: SpamAssassinPolicy) -> Iterable[Rule]:
    book = module.book
    for name in book.running:
        if name.startswith(_SUB_RULE):
            continue
        score = book.files.score_of(name)[policy.score_set] * policy.scale
        capped = round(max(-policy.rule_cap, min(policy.rule_cap, score)), 3)
        place = str(book.rules[name].place)
        yield Rule(module.symbol(name), capped, GROUP, book.describe(name), file=place)


def find(facts: Facts) -> tuple[Hit, ...]:
    """Return what SpamAssassin's rules find; nothing where there are none or the policy has them off."""
    module = facts.kit.spamassassin
    policy = facts.policy.spamassassin
    if module is None or not policy.enabled:
        return ()
    result: RunResult = module.book.run(
        view_of(facts, module.site), score_set=policy.score_set, evidence=policy.evidence
    )
    facts.memo[GROUP] = result  # its own sum, and the rules that were slow or cut short
    return tuple(Hit(module.symbol(h.name), h.evidence) for h in result.hits)


def view_of(facts: Facts, site: Site) -> View:
    """Return a message as SpamAssassin's rules see it."""
    message: Message = facts.message
    if facts.envelope is None:
        return View(message, site=site, now=facts.now)
    session = facts.envelope.session
    envelope = Envelope(
        client_ip=session.client_ip,
        helo=session.helo,
        sender=facts.envelope.sender,
        authenticated=bool(session.auth_user),
        our_name=facts.identity.hostname,
    )
    return View(message, site=site, envelope=envelope, now=facts.now)


def _ask(facts: Facts) -> Asking[Found]:
    yield from ()  # no question: all is in the message
    return Found(find(facts))


STAGE: Final = AskingStage("spamassassin", frozenset(), _ask, costly=True)
"""Ready for the list of stages. Its symbols come with a rule directory, so it names none itself."""
