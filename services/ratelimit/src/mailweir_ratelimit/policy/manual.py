"""Bans by hand: what may be banned, and the sentence for what may not."""

import math
from typing import Final

from mailweir_core.bans import ACCOUNT, MAX_EVIDENCE, Ban, OffenceKind, ban_network
from mailweir_core.net import Network, parse_ip, parse_network
from mailweir_ratelimit.policy.evidence import clean
from mailweir_ratelimit.policy.intrusion import MAX_LOGIN
from mailweir_ratelimit.policy.protected import Protected

WIDEST: Final = {4: 8, 6: 19}
"""The shortest prefix that can be banned, by IP version: one more digit left out must not end all mail."""
LONGEST_SECONDS: Final = 315_360_000.0
MAX_ACTOR: Final = 200


class BanRefused(ValueError):
    """Raised for a ban that cannot be; its text is a sentence for the one who asked."""


def ban_subject(text: str, protected: Protected) -> str:
    """Return the subject of a ban in normal form; raises BanRefused.

    An address is taken as the network that stands for it: of IPv6 the /64.
    """
    text = text.strip()
    if text.lower().startswith(ACCOUNT):
        return _account(text[len(ACCOUNT) :])
    network = ban_of_text(text)
    if network.prefixlen < WIDEST[network.version]:
        widest = WIDEST[network.version]
        raise BanRefused(f"{network} is too wide: a ban has a prefix of at least /{widest}")
    refusal = protected.refusal(network)
    if refusal:
        raise BanRefused(refusal)
    return str(network)


def ban_of_text(text: str) -> Network:
    """Return the network that a text names; raises BanRefused."""
    address = parse_ip(text)
    if address is not None:
        return ban_network(address)
    try:
        return parse_network(text)
    except ValueError as error:
        raise BanRefused(
            f"{clean(text, 60)!r} is no address, no network in CIDR form without host bits, "
            f"and no {ACCOUNT}login"
        ) from error


def _account(login: str) -> str:
    login = login.strip().lower()
    if not login or len(login) > MAX_LOGIN or not login.isprintable():
        raise BanRefused(
            f"{ACCOUNT} is followed by a login of 1 to {MAX_LOGIN} printable characters"
        )
    return f"{ACCOUNT}{login}"


def subjects_to_lift(text: str) -> tuple[str, ...]:
    """Return the subjects that a text may mean when a ban is lifted; raises BanRefused."""
    text = text.strip()
    if text.lower().startswith(ACCOUNT):
        return (_account(text[len(ACCOUNT) :]),)
    address = parse_ip(text)
    network = ban_of_text(text)
    alone = () if address is None else (str(parse_network(str(address))),)
    return tuple(dict.fromkeys((str(network), *alone)))


def manual_ban(  # noqa: PLR0913 - one argument per field that people fill in
    subject: str, seconds: float, evidence: str, actor: str, now: float, *,
    close_all: bool = True, kind: OffenceKind = OffenceKind.MANUAL,
) -> Ban:  # fmt: skip
    """Return the ban; `seconds` 0 has no end. Raises BanRefused."""
    if not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_SECONDS:
        raise BanRefused(f"seconds must be 0 (no end) to {LONGEST_SECONDS:.0f}")
    return Ban(
        subject=subject,
        kind=kind,
        evidence=clean(evidence, MAX_EVIDENCE) or "banned by hand",
        since=now,
        until=now + seconds if seconds else 0.0,
        close_all=close_all,
        by=clean(actor, MAX_ACTOR) or "unknown",
    )
