"""Schemes of strangers, each known by kinds of phrases that seldom meet in one honest letter.

None is sought in a conversation, nor in what calls itself list or bulk mail: newsletters name their way out.
"""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_scoring.policy.checks.common import FREE_PROVIDERS, goes_on
from mailweir_scoring.policy.checks.threads import thread
from mailweir_scoring.policy.checks.view import View, view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check
from mailweir_scoring.policy.words import Words, schemes_in

PAIRS: Final = {
    "ERRAND_SECRET": ("task", "only", 2),
    "ERRAND_CARDS": ("cards", "codes", 2),
    "WIRE_SECRET": ("wire", "only", 2),
    "BANK_CHANGE": ("rebank", "pay", 2),
    "JOB_MULE": ("job", "mule", 3),
}
"""By symbol: the two kinds of phrases that must both be there, and how many different ones together."""
MANY: Final = {
    "OUTREACH": ("outreach", 2),
    "WORDS_CASINO": ("casino", 3),
    "RECEIPTS_SOLD": ("receipts", 2),
}
"""By symbol: the kind of phrase, and how many different ones it takes."""
FULL_WEIGHT: Final = 1.5
"""Of a hit with two phrases more than it takes."""
SHORT_LETTER: Final = 1_500
"""Characters: those who offer something to strangers are brief; reports and newsletters are not."""
LONGEST_LETTER: Final = 4_000
"""Characters: longer texts are not searched at all."""
_KEY: Final = "schemes"

_PHONE: Final = re.compile(
    rb" (?:\d{1,3} )?\d{3} \d{3} ?\d{4} | 0\d{2,4} \d{3,4} \d{3,5} | 0800 \d{3}"
)
_PRICE: Final = re.compile(
    r"[$€£₹]\s?\d{2,4}(?:[.,]\d{2})?\b|\b\d{2,4}[.,]\d{2}\s?(?:[$€£]|usd|eur|gbp)", re.IGNORECASE
)
_OFFICE: Final = re.compile(
    r"ceo|cfo|executive|president|director|chairman|office|payroll|billing|geschaeft|direction|gerencia",
    re.IGNORECASE,
)
_PACKED: Final = (".zip", ".rar", ".7z", ".iso", ".img", ".ace")
_OFFICE_FILES: Final = (
    ".doc",
    ".xls",
    ".ppt",
    ".docm",
    ".xlsm",
    ".xlsb",
    ".pptm",
    ".dotm",
    ".xlam",
)


@check(*PAIRS, *MANY, "LEAVE_BY_REPLY", "CHARGED_CALL", "MAILBOX_FREE", "MAILBOX_OFFICE")
def schemes(facts: Facts) -> Iterator[Hit]:
    """Errands, new bank details, offers and alarms; and whether a mailbox is one that anybody can have."""
    view = view_of(facts)
    words = words_of(facts)
    hits: list[Hit] = []
    if words.found and not view.bulk and not _converses(facts):
        hits = [*_by_phrases(words, len(view.shown) <= SHORT_LETTER), *_called(view, words)]
    yield from hits
    if hits or (not view.bulk and _about_money(view)):
        yield from _mailbox(view)


def _about_money(view: View) -> bool:
    """Say whether a letter is about a large sum, or a short one about loans."""
    words = view.words
    return words.count("fund") > 0 or (words.count("loan") >= 3 and len(view.shown) <= SHORT_LETTER)


def words_of(facts: Facts) -> Words:
    """Return the phrases of schemes in a short message that is no list's or bulk mail."""
    known = facts.memo.get(_KEY)
    if not isinstance(known, Words):
        view = view_of(facts)
        sought = not view.bulk and len(view.shown) <= LONGEST_LETTER
        known = schemes_in(view.words.text) if sought else Words()
        facts.memo[_KEY] = known
    return known


def _converses(facts: Facts) -> bool:
    return goes_on(facts) or any(hit.symbol == "THREAD_REPLY" for hit in thread.run(facts))


def _by_phrases(words: Words, brief: bool) -> Iterator[Hit]:
    for symbol, (one, other, least) in PAIRS.items():
        kinds = (one, other)
        if brief and all(map(words.count, kinds)) and len(_distinct(words, kinds)) >= least:
            yield Hit(symbol, words.evidence(*kinds))
    for symbol, (kind, least) in MANY.items():
        if words.count(kind) >= least and len(_distinct(words, (kind,))) >= least:
            weight = FULL_WEIGHT if len(_distinct(words, (kind,))) > least + 1 else 1.0
            yield Hit(symbol, words.evidence(kind), weight)
    if words.count("leave"):
        yield Hit("LEAVE_BY_REPLY", words.evidence("leave"))


def _distinct(words: Words, kinds: tuple[str, ...]) -> set[str]:
    """Return the phrases of some kinds; what is inside another is not one more."""
    phrases = {phrase.rstrip("*") for kind in kinds for phrase in words.found[kind]}
    return {p for p in phrases if not any(p in other for other in phrases - {p})}


def _called(view: View, words: Words) -> Iterator[Hit]:
    """Something was charged, and the only way to stop it is a call: no link of the sender's own."""
    if not (words.count("charged") and words.count("callus")) or view.sender_owner in view.owners:
        return
    if _PHONE.search(words.text) and _PRICE.search(view.shown[:4_000]):
        yield Hit("CHARGED_CALL", words.evidence("charged", "callus"))


def _mailbox(view: View) -> Iterator[Hit]:
    reply = view.message.reply_to.first
    for address in (view.sender, reply):
        if address is not None and address.domain in FREE_PROVIDERS:
            yield Hit("MAILBOX_FREE", address.address)
            if _OFFICE.search(address.local):
                yield Hit("MAILBOX_OFFICE", address.address)
            return


@check("QR_ASKED", "UNLOCK_ASKED", "PASSCODE_GIVEN")
def beside(facts: Facts) -> Iterator[Hit]:
    """What a text asks for beside what comes along: a code to scan, macros to run, a locked file to open.

    A conversation does not excuse these: they are what is sent into stolen ones.
    """
    view = view_of(facts)
    words = words_of(facts)
    if not (words.count("qr") or words.count("unlock") or words.count("passcode")) or goes_on(
        facts
    ):
        return
    names = tuple(part.filename.lower() for part in view.files)
    if (
        words.count("qr")
        and not view.targets
        and any(p.type.startswith("image/") for p in view.files)
    ):
        yield Hit(
            "QR_ASKED", words.evidence("qr"), weight=1.6 if view.words.count("urgent") else 1.0
        )
    if words.count("unlock") and any(name.endswith(_OFFICE_FILES) for name in names):
        yield Hit("UNLOCK_ASKED", words.evidence("unlock"))
    if words.count("passcode") and _packed(view, names):
        yield Hit("PASSCODE_GIVEN", words.evidence("passcode"))


def _packed(view: View, names: tuple[str, ...]) -> bool:
    away = (link.href for link, target in view.targets if target.host not in view.sender.domain)
    paths = (href.lower().partition("?")[0].partition("#")[0] for href in away)
    return any(name.endswith(_PACKED) for name in (*names, *paths))
