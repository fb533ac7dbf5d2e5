"""What ban comes of a full tally: how long it lasts, and to which network it grows.

Times are seconds since the epoch. A ban lasts longer each time in a row, and grows to the network around
where many are banned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from mailweir_core.bans import ACCOUNT, MAX_EVIDENCE, Ban
from mailweir_core.net import Network
from mailweir_policy.ratelimit import IntrusionPolicy
from mailweir_ratelimit.policy.evidence import cut, evidence
from mailweir_ratelimit.policy.intrusion import Charge
from mailweir_ratelimit.policy.tally import Tally, Window

WIDER: Final = MappingProxyType({(4, 32): (24,), (6, 64): (56, 48)})
"""To which prefixes a banned network may grow, by IP version and prefix, the nearest first."""


def is_full(tally: Tally, window: Window) -> bool:
    """Say whether a ban is due."""
    return tally.total >= window.count


def ban_seconds(policy: IntrusionPolicy, strikes: int) -> float:
    """Return how long the ban with that number in a row lasts."""
    doublings = min(max(strikes, 1) - 1, 32)  # 2^32 times any ban is more than the longest
    return min(policy.ban_seconds * 2.0**doublings, policy.ban_longest_seconds)


def make_ban(
    charge: Charge, tally: Tally, policy: IntrusionPolicy, strikes: int, now: float
) -> Ban:
    """Return the ban that a full tally makes."""
    pause = charge.subject.startswith(ACCOUNT)
    seconds = policy.login_pause.pause_seconds if pause else ban_seconds(policy, strikes)
    return Ban(
        subject=charge.subject,
        kind=charge.kind,
        evidence=evidence(charge.kind, tally, charge.measure, charge.ref, now),
        since=now,
        until=now + seconds,
        strikes=strikes,
        close_all=policy.close_all and not pause,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A wider network that a ban may grow to, and what of it the ban lies in: counted once."""

    parent: Network
    member: Network


def steps(network: Network) -> tuple[Step, ...]:
    """Return what the ban of a network may grow to, the nearest first.

    An IPv4 /24 counts its addresses, an IPv6 /56 its /64, a /48 its /56: who has a whole network moves on
    within it.
    """
    found: list[Step] = []
    member = network
    for prefix in WIDER.get((network.version, network.prefixlen), ()):
        parent = network.supernet(new_prefix=prefix)
        found.append(Step(parent, member))
        member = parent
    return tuple(found)


def widened(
    step: Step, members: Sequence[str], cause: Ban, policy: IntrusionPolicy, strikes: int
) -> Ban:
    """Return the ban of a whole network within which many are banned; `cause` is the latest of them."""
    head = f"bans within {len(members)} of its networks: "
    return replace(
        cause,
        subject=str(step.parent),
        evidence=head + cut(", ".join(members), MAX_EVIDENCE - len(head)),
        until=cause.since + ban_seconds(policy, strikes),
        strikes=strikes,
    )
