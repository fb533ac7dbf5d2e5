"""Whether a message goes on with a conversation, and whether it only says so."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_scoring.policy.checks.common import has, is_list
from mailweir_scoring.policy.checks.view import View, view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.linear import Pattern
from mailweir_scoring.policy.pipeline import check

_REPLY: Final = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:re|aw|antw|sv|vs|odp|res|rif|ynt|ответ|回复|回覆|返信)\s*(?:\[\d+\])?\s*[:：]",
    re.IGNORECASE,
)
_FORWARD: Final = re.compile(
    r"\s*(?:fwd?|wg|tr|rv|enc|i|doorst|vb|转发|轉寄)\s*[:：]", re.IGNORECASE
)
_QUOTE: Final = Pattern(
    r"(?im)^[ \t]{0,3}>"
    r"|^-{2,}\s?(?:original|ursprüngliche|forwarded|weitergeleitete|message d'origine|mensaje original"
    r"|messaggio originale|mensagem original)|^_{20,}"
    r"|^[ \t]{0,3}(?:from|von|de|da|van|от|发件人|差出人)\s?[:：]"
    r"|(?:wrote|writes|schrieb|a écrit|escribió|escreveu|ha scritto|schreef|skrev|napisał\(?a?\)?"
    r"|пишет|написал|yazdı)\s?[:：]?[ \t]*$"
)
_PLAIN_HEAD: Final = 20_000
_CODE: Final = Pattern(
    r"(?m)^(?:diff --git |@@ -\d|\+\+\+ [ab]/|index [0-9a-f]{7,}\.\.|#include <|Traceback \(most)"
)


@check("THREAD_REPLY", "REPLY_FAKE", "FORWARD_BARE")
def thread(facts: Facts) -> Iterator[Hit]:
    """A reply refers to what it answers and mostly quotes it; one that does neither only says it is one."""
    headers, view = facts.message.headers, view_of(facts)
    subject = facts.message.subject
    refers = bool(
        facts.message.message_ids("in-reply-to") or facts.message.message_ids("references")
    )
    quotes = _QUOTE.found_in(head_of(view))
    if refers and quotes and _consistent(facts):
        yield Hit("THREAD_REPLY")
    complete = has(headers, "received") and has(headers, "message-id") and not is_list(facts)
    if (
        complete
        and not refers
        and not quotes
        and _REPLY.match(subject)
        and not has(headers, "thread-index")
    ):
        yield Hit("REPLY_FAKE", subject)
    if (
        complete
        and not refers
        and not quotes
        and _FORWARD.match(subject)
        and not facts.message.attachments
    ):
        yield Hit("FORWARD_BARE", subject)


def head_of(view: View) -> bytes:
    """Return the begin of the plain text, or of what is shown where there is none, as UTF-8."""
    return (view.plain[:_PLAIN_HEAD] or view.shown[:_PLAIN_HEAD]).encode("utf-8", "replace")


def _consistent(facts: Facts) -> bool:
    """The message answered is among the references, where there are any."""
    answered, chain = (
        facts.message.message_ids("in-reply-to"),
        facts.message.message_ids("references"),
    )
    if not answered or not chain:
        return True
    return answered[0] in chain


@check("LIST_TRAFFIC", "TEXT_CODE")
def traffic(facts: Facts) -> Iterator[Hit]:
    """Plain text by a list that names itself in full, and text with patches or programs in it."""
    headers, view = facts.message.headers, view_of(facts)
    if is_list(facts) and has(headers, "list-id") and not view.html and has(headers, "in-reply-to"):
        yield Hit("LIST_TRAFFIC")
    if _CODE.found_in(head_of(view)):
        yield Hit("TEXT_CODE")
