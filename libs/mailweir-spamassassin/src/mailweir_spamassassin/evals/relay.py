"""Tests on the relays that handed the message on (SpamAssassin's RelayEval and the rDNS test of WLBLEval)."""

import itertools
import re
from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.relays import Relay, is_private

from .common import text_of, view_of

_IPV4: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_HOST: Final = re.compile(r"\w+(?:[\w.-]+\.)+\w+\Z", re.ASCII)
_SHORT_COUNTRY: Final = re.compile(r"\S{3,}|ie|fr|de")
_FREE_PROVIDER: Final = re.compile(
    r"(?:\.|\A)(?:lycos\.com|lycos\.co\.uk|hotmail\.com|localhost\.com|excite\.com|caramail\.com|cs\.com|aol\.com"
    r"|msn\.com|yahoo\.com|drizzle\.com)\Z",
    re.IGNORECASE,
)
_ADDRESS_DOMAIN: Final = re.compile(r"@([^@]+\.[^@]+)\Z")
_MAX_NAME: Final = 255


def _all_trusted(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    trail = view_of(context).trail
    return int(bool(trail.trusted) and not trail.untrusted and not trail.unparseable)


def _no_relays(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    trail = view_of(context).trail
    return int(not trail.trusted and not trail.untrusted and not trail.unparseable)


def _unparseable(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    return int(view_of(context).trail.unparseable > 0)


def _ip_mismatch(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    return int(any(map(_names_other_ip, view_of(context).trail.untrusted)))


def _names_other_ip(relay: Relay) -> bool:
    pair = (relay.helo, relay.ip)
    if not all(map(_IPV4.match, pair)) or any(map(is_private, pair)):
        return False
    return relay.helo.rpartition(".")[0] != relay.ip.rpartition(".")[0]


def _no_rdns_dotcom(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """The last relay that is public decides, as there."""
    del arguments
    hit = 0
    for relay in view_of(context).trail.untrusted:
        if not relay.is_private:
            hit = int(relay.no_rdns and _FREE_PROVIDER.search(relay.helo) is not None)
    return hit


def _forged_trail(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """Two relays or more that were reached under another name than they give themselves."""
    del arguments
    relays = view_of(context).trail.untrusted
    mismatches = 0
    for before, relay in itertools.pairwise(relays):
        taken, given = _domain(relay.by.lower()), _domain(before.rdns.lower())
        if before.ip == "127.0.0.1" and given.startswith("localhost"):
            continue
        is_pair = _HOST.match(taken[:_MAX_NAME]) and _HOST.match(given[:_MAX_NAME])
        if is_pair and taken != given and (taken, given) != ("msn.com", "hotmail.com"):
            mismatches += 1
    return int(mismatches > 1)


def _domain(host: str) -> str:
    if not any(char.isalpha() for char in host):
        return host
    labels = host.split(".")
    if len(labels) > 1 and _SHORT_COUNTRY.search(labels[-1]):
        return ".".join(labels[-2:])
    return ".".join(labels[-3:])


def _matches_rcvd(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    found = _ADDRESS_DOMAIN.search(text_of(view, "EnvelopeFrom", "addr"))
    if found is None:
        return 0
    relays = view.trail.untrusted[:1] or view.trail.trusted
    domains = view.site.domains
    wanted = domains.registered(found[1])
    return int(any(relay.rdns and domains.registered(relay.rdns) == wanted for relay in relays))


TESTS: Final[Mapping[str, EvalFunction]] = {
    "check_all_trusted": _all_trusted,
    "check_no_relays": _no_relays,
    "check_relays_unparseable": _unparseable,
    "helo_ip_mismatch": _ip_mismatch,
    "check_for_no_rdns_dotcom_helo": _no_rdns_dotcom,
    "check_for_forged_received_trail": _forged_trail,
    "check_mailfrom_matches_rcvd": _matches_rcvd,
}
