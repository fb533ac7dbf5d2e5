"""What a text is about, by several kinds of phrases at once and by what stands beside them.

A phrase alone means nothing, and so none of these is worth much alone.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from mailweir_scoring.policy.checks.common import FREE_PROVIDERS, goes_on, is_list, owner_of
from mailweir_scoring.policy.checks.senders import signers
from mailweir_scoring.policy.checks.view import View, view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.linear import Pattern
from mailweir_scoring.policy.pipeline import check

WARES: Final = {
    "WORDS_OFFER": ("offer", 3),
    "WORDS_LOAN": ("loan", 3),
    "WORDS_PILLS": ("pills", 2),
    "WORDS_INVEST": ("invest", 3),
    "WORDS_ADULT": ("adult", 2),
    "WORDS_PRIZE": ("prize", 3),
    "WORDS_MASS": ("mass", 3),
    "WORDS_SECRET": ("secret", 3),
}
"""By symbol: the kind of phrase, and how many different ones it takes."""

_AMOUNT: Final = Pattern(
    r"(?:usd?|eur|gbp|us|euros?|dollars?|pounds?|\x{20ac}|\x{a3}) \d{1,3}(?: \d{3}){2}"
    r"| \d{1,3}(?: \d{3}){2}(?: 00)? "
    r"|\d{1,3}(?: \d{1,2})? (?:million|mio|m usd|millionen|millones|millions|milh|miljoen)"
)
_MAILBOX: Final = re.compile(r"[\w.+-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){1,3})")
_BITCOIN: Final = re.compile(r"\b(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[02-9ac-hj-np-z]{11,71})\b")
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_MAYBE_WALLET: Final = Pattern(
    r"\b(?:[13][1-9A-HJ-NP-Za-km-z]{25}|bc1[02-9ac-hj-np-z]{11}|0x[0-9a-fA-F]{40})"
)
_ETHER: Final = re.compile(r"\b0x[0-9a-fA-F]{40}\b")


@check(*WARES)
def wares(facts: Facts) -> Iterator[Hit]:
    """What mass mail sells, and how it speaks."""
    words = view_of(facts).words
    for symbol, (kind, least) in WARES.items():
        if words.count(kind) >= least:
            yield Hit(symbol, words.evidence(kind))


@check("ADVANCE_FEE", "ADVANCE_FEE_TONE")
def advance_fee(facts: Facts) -> Iterator[Hit]:
    """A large sum, somebody to have it, and an answer to a free mailbox."""
    view = view_of(facts)
    words = view.words
    marks = words.count("fund") + min(words.count("secret"), 2)
    if marks < 2 or not words.count("fund") or goes_on(facts):
        return
    marks += _AMOUNT.found_in(words.text)
    if marks >= 4 or (marks >= 3 and _free_contact(facts, view)):
        yield Hit("ADVANCE_FEE", words.evidence("fund", "secret"))
    elif marks >= 3:
        yield Hit("ADVANCE_FEE_TONE", words.evidence("fund", "secret"))


def _free_contact(facts: Facts, view: View) -> bool:
    reply = facts.message.reply_to.first
    named = {m.lower() for m in _MAILBOX.findall(view.shown[:20_000])}
    if reply is not None:
        named.add(reply.domain)
    return not named.isdisjoint(FREE_PROVIDERS)


@check("EXTORTION", "CRYPTO_ADDRESS")
def extortion(facts: Facts) -> Iterator[Hit]:
    """A wallet's address, proven by its checksum, and a threat beside it."""
    view = view_of(facts)
    wallet = wallet_in(view.shown[:20_000])
    threats = view.words.count("threat")
    if wallet and not goes_on(facts) and (threats >= 2 or not _is_own_business(facts)):
        yield Hit("EXTORTION" if threats >= 2 else "CRYPTO_ADDRESS", wallet)
    elif threats >= 4 and not goes_on(facts):
        yield Hit("EXTORTION", view.words.evidence("threat"))


def _is_own_business(facts: Facts) -> bool:
    """Say whether a site that signs its mail writes of its own doings: all links lead to itself."""
    view = view_of(facts)
    own = view.sender_owner
    signed = own in map(owner_of, signers(facts))
    at_home = bool(view.owners) and {*view.places} <= {own}
    return signed and at_home and not _free_contact(facts, view)


def wallet_in(text: str) -> str:
    """Return the first address of a Bitcoin or Ethereum wallet; Bitcoin's are proven by their checksum."""
    if not _MAYBE_WALLET.found_in(text.encode("utf-8", "replace")):
        return ""
    for found in _BITCOIN.finditer(text):
        if bech32(found[0]) if found[0].startswith("bc1") else base58(found[0]):
            return found[0]
    ether = _ETHER.search(text)
    return ether[0] if ether else ""


def base58(text: str) -> bool:
    """Say whether a text is a Base58Check address of 25 octets."""
    number = 0
    for char in text:
        number = number * 58 + _BASE58.index(char)
    try:
        data = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return sha256(sha256(data[:-4]).digest()).digest()[:4] == data[-4:]


def bech32(text: str) -> bool:
    """Say whether a text is a Bech32 or Bech32m address (BIP 173, BIP 350)."""
    check = 1
    for value in (3, 3, 0, 2, 3, *map(_BECH32.find, text[3:])):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(
            (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
        ):
            check ^= generator if (top >> bit) & 1 else 0
    return check in (1, 0x2BC830A3)


@check("CREDENTIAL_THEFT", "ACCOUNT_ALARM", "PARCEL_FEE", "PRIZE_CLAIM")
def theft(facts: Facts) -> Iterator[Hit]:
    """An account in trouble, a parcel, or a prize; haste; and a link that leads away from the sender."""
    view = view_of(facts)
    words = view.words
    if is_list(facts):
        return
    account, urgent, click = (words.count(kind) for kind in ("account", "urgent", "click"))
    away = bool(view.owners) and view.sender_owner not in view.owners
    if account >= 2 and urgent and away:
        yield Hit("CREDENTIAL_THEFT", words.evidence("account", "urgent"))
    elif account + urgent + click >= 3 and account and (urgent or click):
        yield Hit("ACCOUNT_ALARM", words.evidence("account", "urgent", "click"))
    if words.count("parcel") >= 2 and (click or urgent) and away:
        yield Hit("PARCEL_FEE", words.evidence("parcel", "click"))
    if words.count("prize") >= 2 and (click or urgent) and away:
        yield Hit("PRIZE_CLAIM", words.evidence("prize", "click"))
