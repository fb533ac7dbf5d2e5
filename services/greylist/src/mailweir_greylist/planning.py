"""What a batch of questions needs of the store: entries by key, and whom each answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mailweir_greylist.policy.answers import Answer
from mailweir_greylist.policy.candidates import Spared, spared, spared_recipient
from mailweir_greylist.policy.entry import Entry, State
from mailweir_greylist.policy.keys import Triplet, client_key, identity, mark_key, triplets
from mailweir_greylist.policy.question import Question
from mailweir_greylist.policy.steps import renewed
from mailweir_greylist.ports import Kept
from mailweir_policy.greylist import GreylistPolicy


@dataclass(slots=True)
class Plan:
    """A question that the store is asked about: its entries by key, and which recipients each is for."""

    question: Question
    client: str = ""
    client_key: str = ""
    mark_key: str = ""
    abouts: dict[str, Triplet] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)
    answers: list[Answer | None] = field(default_factory=list)
    came_back: bool = False

    def settle(self, key: str, answer: Answer) -> None:
        """Answer for the recipients of an entry."""
        for place in self.places[key]:
            self.answers[place] = answer

    def settle_all(self, answer: Answer) -> None:
        """Answer for all that have no answer yet."""
        self.answers = [answer if a is None else a for a in self.answers]
        self.abouts = {}


def plan_of(question: Question, policy: GreylistPolicy) -> Plan:
    """Return what has to be asked for a question; nothing where all is clear without the store."""
    plan = Plan(question)
    if (why := spared(question, policy)) is not None:
        plan.answers = [Answer(why)] * len(question.recipients)
        return plan
    plan.client = identity(question)
    plan.client_key = client_key(plan.client)
    plan.mark_key = mark_key(question.sender) if policy.adaptive else ""
    for place, about in enumerate(triplets(question, policy)):
        if spared_recipient(question.recipients[place], policy):
            plan.answers.append(Answer(Spared.BYPASSED))
            continue
        plan.answers.append(None)
        plan.abouts[about.key] = about
        plan.places.setdefault(about.key, []).append(place)
    return plan


def keys_of(plans: Iterable[Plan]) -> list[str]:
    """Return every key that plans need, each once."""
    keys: dict[str, None] = {}
    for plan in plans:
        keys.update(dict.fromkeys(plan.abouts))
        keys[plan.client_key] = None
        if plan.mark_key:
            keys[plan.mark_key] = None
    return list(keys)


def spare(plans: Iterable[Plan], kept: Mapping[str, Kept], now: float) -> None:
    """Answer for clients that are exempt, and in adaptive mode for senders without a mark."""
    for plan in plans:
        client = kept[plan.client_key].entry
        if client is not None and client.state is State.EXEMPT and client.lives(now):
            plan.settle_all(Answer(Spared.EXEMPT))
        elif plan.mark_key:
            mark = kept[plan.mark_key].entry
            if mark is None or not mark.lives(now):
                plan.settle_all(Answer(Spared.CLEAN_BEFORE))


def in_use(
    plans: Iterable[Plan], kept: Mapping[str, Kept], policy: GreylistPolicy, now: float
) -> dict[str, Entry]:
    """Return the exempt clients whose use is to be noted."""
    used = {}
    for plan in plans:
        key = plan.client_key
        entry = kept[key].entry
        if Answer(Spared.EXEMPT) in plan.answers and entry is not None:
            noted = renewed(entry, policy, now)
            if noted is not None:
                used[key] = noted
    return used


def by_key(plans: Iterable[Plan]) -> dict[str, list[Plan]]:
    """Return who asks about each entry, in the order of the questions."""
    found: dict[str, list[Plan]] = {}
    for plan in plans:
        for key in plan.abouts:
            found.setdefault(key, []).append(plan)
    return found


def by_client(plans: Iterable[Plan]) -> dict[str, list[Plan]]:
    """Return whose mail came back, by the key of the client."""
    found: dict[str, list[Plan]] = {}
    for plan in plans:
        if plan.came_back:
            found.setdefault(plan.client_key, []).append(plan)
    return found
