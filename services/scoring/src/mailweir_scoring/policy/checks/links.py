"""Links: where they lead, and what they say of it."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_core.net import parse_ip
from mailweir_scoring.policy.checks.common import owner_of
from mailweir_scoring.policy.checks.targets import Target
from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

# A text that is a web address and nothing else: then the reader believes to know where it leads.
_SHOWN_URL: Final = re.compile(
    r"(?:https?://|www\.)([^\s/:?#@]{1,255})(?:[/:?#]\S*)?", re.IGNORECASE
)
_USUAL_PORTS: Final = frozenset({None, 80, 443, 8080, 8443})


@check("LINK_IP", "LINK_USERINFO", "LINK_PORT", "LINK_TEXT_OTHER")
def links(facts: Facts) -> Iterator[Hit]:
    """Addresses in place of names, names that hide the host, odd ports, and texts that name another site."""
    view, seen = view_of(facts), set[str]()
    bulk = view.bulk
    for link, target in view.targets:
        for symbol in _odd(target):
            if symbol not in seen:
                seen.add(symbol)
                yield Hit(symbol, link.href)
        # A provider counts the clicks on the sender's own address; another's it should not stand for.
        own = view.sender_owner if owner_of(target.host) in view.carriers else ""
        if not bulk and "LINK_TEXT_OTHER" not in seen and _other_site(link.text, target, own):
            seen.add("LINK_TEXT_OTHER")
            yield Hit("LINK_TEXT_OTHER", f"{link.text} leads to {target.host}")


def _odd(target: Target) -> Iterator[str]:
    if parse_ip(target.host) is not None or target.host.isdigit():
        yield "LINK_IP"
    if target.userinfo:
        yield "LINK_USERINFO"
    if target.port not in _USUAL_PORTS:
        yield "LINK_PORT"


def _other_site(text: str, target: Target, own: str) -> bool:
    shown = _SHOWN_URL.fullmatch(text.strip())
    if shown is None:
        return False
    return owner_of(shown[1].removeprefix("www.")) not in ("", own, owner_of(target.host))
