"""Senders of big providers with Received fields of others (SpamAssassin's HeaderEval)."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.received_shapes import ADDRESS

from .common import once, text_of, view_of
from .gated import is_gated

_FORGED, _ABSENT = "forged", "absent"
_IP: Final = re.compile(ADDRESS, re.IGNORECASE)
_FAKE_AOL: Final = re.compile(r" rly-[a-z][a-z]\d\d\.", re.IGNORECASE)
_AOL: Final = re.compile(r"/AOL-\d+\.\d+\.\d+\)|ESMTP id (?:RELAY|MAILRELAY|MAILIN)")
_HOTMAIL_PICKUP: Final = "from mail pickup service by hotmail.com with Microsoft SMTPSVC;"
_HOTMAIL_WITH_IP: Final = re.compile(
    r"from (?:\S*\.)?hotmail.com \(\S+\.hotmail(?:\.msn)?\.com[ )]"
    rf"|from \S*\.hotmail.com \(\[{ADDRESS}\][ ):]"
    r"|from \S+ by \S+\.hotmail(?:\.msn)?\.com with HTTP;|from \[66\.218.\S+\] by \S+\.yahoo\.com"
)
_HOTMAIL_WITH_ORIGIN: Final = re.compile(
    r"from \S*\.outbound\.protection\.outlook\.com \(\S+\.outbound\.protection\.outlook\.com[ )]"
    rf"|from \S*\.(?:eur|nam)prd\d+\.prod\.outlook\.com \({ADDRESS}\)"
)
_ORIGIN: Final = re.compile(r"hotmail\.com|msonline-outlook")
_SAYS_HOTMAIL: Final = re.compile(r"(?:from |HELO |helo=)\S*hotmail\.com\b")
_YAHOO: Final = re.compile(
    r"by web\S+\.mail\S*\.yahoo\.com via HTTP|by sonic\S+\.consmr\.mail\S*\.yahoo\.com with HTTP"
    rf"|by smtp\S+\.yahoo\.com with SMTP|from \[{ADDRESS}\] by \S+\.(?:groups|scd|dcn)\.yahoo\.com with NNFMP"
    r"|by \w+\.\w+\.yahoo\.com \(\d+\.\d+\.\d+/\d+\.\d+\.\d+\)(?: with ESMTP)? id \w+"
)
_YAHOO_BULK: Final = re.compile(r"\bmailer\d+\.bulk\.scd\.yahoo\.com\b")
_YAHOO_RDNS: Final = re.compile(r"\S+\.yahoo\.com\Z")
_GMAIL: Final = re.compile(r"by 10\.\S+ with SMTP id \S+|by 2002:a\d\d:\w+:\S+ with SMTP id \S+")
_GMAIL_SUBMITTED: Final = re.compile(r"by smtp\.googlemail\.com with ESMTPSA id \S+")
_GMAIL_MARK: Final = 60  # least length of the two marks that Gmail adds
_JUNO: Final = re.compile(
    rf"from.*\b(?:juno|untd)\.com.*[\[(]{ADDRESS}[\])].*by| cookie\.(?:juno|untd)\.com "
)
_MAX_FIELDS: Final = 16_384
"""Characters of all Received fields that are searched."""


def _received(view: View, name: str = "Received") -> str:
    return " ".join(text_of(view, name)[:_MAX_FIELDS].split())


def _is_from(view: View, domain: str) -> bool:
    return (
        re.search(rf"\b{re.escape(domain)}\Z", text_of(view, "From", "addr"), re.IGNORECASE)
        is not None
    )


def _test(judge: Callable[[View], bool]) -> EvalFunction:
    def test(context: EvalContext, arguments: tuple[str, ...]) -> int:
        del arguments
        return int(judge(view_of(context)))

    return test


def _aol(view: View) -> bool:
    received = _received(view)
    return _FAKE_AOL.search(received) is not None and _AOL.search(received) is None


def _hotmail(view: View) -> str:
    """Return what is wrong with a message that says it comes from Hotmail; empty if nothing is."""
    received = _received(view)
    if _HOTMAIL_PICKUP in received or _is_msn_group(view) or is_gated(view):
        return ""
    has_ip = _IP.search(text_of(view, "X-Originating-Ip")) is not None
    has_origin = _ORIGIN.search(text_of(view, "X-OriginatorOrg")) is not None
    if has_ip and _HOTMAIL_WITH_IP.search(received):
        return ""
    if has_origin and _HOTMAIL_WITH_ORIGIN.search(received):
        return ""
    if _SAYS_HOTMAIL.search(received):
        return _FORGED
    return _ABSENT if _is_from(view, "hotmail.com") else ""


def _is_msn_group(view: View) -> bool:
    listed = re.search(r"<(\S+)@groups\.msn\.com>", text_of(view, "To"), re.IGNORECASE)
    if listed is None:
        return False
    server = re.search(
        r"from mail pickup service by (p\d\d\.groups\.msn\.com)\b", text_of(view, "Received")
    )
    if server is None:
        return False
    name, message_id = re.escape(listed[1]), text_of(view, "Message-Id")
    if listed[1] == "notifications":
        return re.match(rf"<\S+@{re.escape(server[1])}>", message_id) is not None
    return bool(
        re.match(rf"<{name}-\S+@groups\.msn\.com>", message_id)
        and f"{listed[1]}-bounce@groups.msn.com" in text_of(view, "EnvelopeFrom", "addr")
    )


def _eudora(view: View) -> bool:
    if not _is_from(view, "eudoramail.com") or is_gated(view):
        return False
    has_ip = _IP.search(text_of(view, "X-Sender-Ip")) is not None
    return not (has_ip and re.search(r"by \S*whowhere.com;", _received(view)))


def _yahoo(view: View) -> bool:
    if not _is_from(view, "yahoo.com") or is_gated(view):
        return False
    received = _received(view)
    if text_of(view, "Resent-From") and text_of(view, "Resent-To"):
        received = _received(view, "X-Received") or received
    relays = [*view.trail.trusted, *view.trail.untrusted[:1]]
    if any(_YAHOO_RDNS.match(relay.rdns) for relay in relays) or _YAHOO.search(received):
        return False
    return not (_YAHOO_BULK.search(received) and _is_from(view, "@reply.yahoo.com"))


def _juno(view: View) -> bool:
    if not _is_from(view, "juno.com") or is_gated(view):
        return False
    origin, mailer, received = (
        text_of(view, "X-Originating-IP"),
        text_of(view, "X-Mailer"),
        text_of(view, "Received")[:_MAX_FIELDS],
    )
    if origin:
        return not _JUNO.search(received) or "Juno " not in mailer
    # Without the field the last test there, an address in that very field, fails whatever came before.
    return True


def _gmail(view: View) -> bool:
    if not _is_from(view, "gmail.com"):
        return False
    if _GMAIL.search(text_of(view, "X-Received")) or _GMAIL_SUBMITTED.search(
        text_of(view, "Received")
    ):
        return False
    marks = (text_of(view, "X-Gm-Message-State"), text_of(view, "X-Google-Smtp-Source"))
    return min(map(len, marks)) < _GMAIL_MARK


TESTS: Final[Mapping[str, EvalFunction]] = {
    "check_for_fake_aol_relay_in_rcvd": _test(_aol),
    "check_for_forged_hotmail_received_headers": _test(
        lambda view: once(view, "hotmail", _hotmail) == _FORGED
    ),
    "check_for_no_hotmail_received_headers": _test(
        lambda view: once(view, "hotmail", _hotmail) == _ABSENT
    ),
    "check_for_forged_eudoramail_received_headers": _test(_eudora),
    "check_for_forged_yahoo_received_headers": _test(_yahoo),
    "check_for_forged_juno_received_headers": _test(_juno),
    "check_for_forged_gmail_received_headers": _test(_gmail),
}
