"""Who a message says it is from, and who would get the reply.

Nothing here is proof: a name may be anything. Each rule is small, and those that a mailing list breaks by
its nature are not asked of list mail.
"""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_mail import Address
from mailweir_scoring.policy.checks.common import FREE_PROVIDERS, is_bulk, is_needless, owner_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

_ADDRESS_IN_NAME: Final = re.compile(r"[\w.+-]{1,64}@((?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24})")
# Pictographs, dingbats and enclosed symbols; letters of no script are among them.
_PICTURE: Final = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f100-\U0001faff]")


@check("FROM_INVALID", "FROM_SEVERAL")
def mailbox(facts: Facts) -> Iterator[Hit]:
    """A From field must hold an address; several are allowed, and hardly ever sent."""
    field = facts.message.headers.first("from")
    if field is None:
        return
    addresses = facts.message.from_.addresses
    if not any(is_mailbox(a) for a in addresses):
        yield Hit("FROM_INVALID", field.text)
    elif len(addresses) > 1:
        yield Hit("FROM_SEVERAL", field.text)


def is_mailbox(address: Address) -> bool:
    """Say whether mail could be sent there: a local part, and a domain with a dot or an address literal."""
    domain = address.domain
    return bool(address.local) and ("." in domain or domain.startswith("["))


@check("FROM_NAME_ADDRESS", "FROM_NAME_PICTURE")
def shown_name(facts: Facts) -> Iterator[Hit]:
    """What a client shows instead of the address."""
    sender = facts.message.from_.first
    if sender is None or not sender.name:
        return
    if _PICTURE.search(sender.name):
        yield Hit("FROM_NAME_PICTURE", sender.name)
    shown = _ADDRESS_IN_NAME.search(sender.name)
    if shown is None or not sender.domain or is_bulk(facts):
        return
    if owner_of(shown[1]) != owner_of(sender.domain):
        yield Hit("FROM_NAME_ADDRESS", f"{sender.name} <{sender.address}>")


@check("FROM_NAME_ENCODED_ASCII")
def encoded_name(facts: Facts) -> Iterator[Hit]:
    """A name in RFC 2047 words that need not be."""
    field = facts.message.headers.first("from")
    if field is not None and is_needless(field):
        yield Hit("FROM_NAME_ENCODED_ASCII", field.text)


def _is_lists(facts: Facts, domain: str) -> bool:
    """Bulk mail may have replies go where it likes, but hardly to a free mailbox that is not a list's."""
    if not is_bulk(facts):
        return False
    if domain not in FREE_PROVIDERS:
        return True
    headers = facts.message.headers
    if _is_munged(facts):
        return True
    names = ("list-id", "list-post", "list-help", "sender", "to")
    return any(domain in (headers.get(name) or "").lower() for name in names)


def _is_munged(facts: Facts) -> bool:
    """Say whether a list put its own address into From, and its author's into Reply-To, for DMARC's sake."""
    headers = facts.message.headers
    sender, reply = facts.message.from_.first, facts.message.reply_to.first
    identity = (headers.get("list-id") or "").rpartition("<")[2].strip(" >").lower()
    if not identity or sender is None or reply is None:
        return False
    author = (headers.get("x-mailfrom") or headers.get("x-original-from") or "").lower()
    return identity == sender.address.lower().replace("@", ".") or reply.address.lower() in author


@check("REPLY_TO_OTHER", "REPLY_TO_FREE_PROVIDER")
def reply_to(facts: Facts) -> Iterator[Hit]:
    """Replies that go to another domain: common in bulk mail, and the hinge of every advance-fee letter."""
    sender, reply = facts.message.from_.first, facts.message.reply_to.first
    if sender is None or reply is None or not sender.domain or not reply.domain:
        return
    if owner_of(sender.domain) == owner_of(reply.domain) or _is_lists(facts, reply.domain):
        return
    evidence = f"{sender.address}, replies to {reply.address}"
    if reply.domain in FREE_PROVIDERS and sender.domain not in FREE_PROVIDERS:
        yield Hit("REPLY_TO_FREE_PROVIDER", evidence)
    else:
        yield Hit("REPLY_TO_OTHER", evidence)
