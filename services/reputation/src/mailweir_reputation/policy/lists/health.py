"""How one list fares: whether it may be asked, whether its word is enough, and when to look at it again.

RFC 5782 §5 gives every list two entries to test it by: one that must be there and one that must not. A third
one is made up for each probe, since the answer on the second may be an old one that a resolver kept: who
lists a name that nobody ever asked for lists the world.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_policy.answers import LISTS_ALL, ListAnswer, ListStatus
from mailweir_policy.reputation import EdgeZone, ListHealthPolicy
from mailweir_reputation.policy.lists.window import Window

START_FACTOR: Final = 0.1
"""The first probes, and those of a list that has just died, come so much sooner."""
DEAD_FACTOR: Final = 8.0
"""A dead list is probed up to so many times more rarely."""
MOST_HITS: Final = 4096
"""Listed subjects of which it is known since when."""
FEW: Final = 4
"""Of a fourth of `drift_queries` a share already counts as odd, though not yet as proof."""
WITNESSES: Final = 3

NO_ANSWER: Final = (
    "it does not answer: look whether the resolver is there, whether the zone's name is right,"
    " and whether the list still exists"
)
NO_TEST_ENTRY: Final = (
    "it does not list its own test entry: look whether the zone's name and the key are right and whether"
    " the resolver lets such answers through; for a list that has no such entry set test_entries to false"
)
NO_KEY: Final = "its key is not among the secrets: put it into the directory of keys"
RISEN: Final = "it lists far more than usual: what it alone speaks against is only put off"


class ZoneState(StrEnum):
    """Whether a list is asked."""

    OFF = "off"  # by the policy, or for want of its key
    PROBING = "probing"  # asked, but not proved yet
    HEALTHY = "healthy"
    MUTED = "muted"  # it does not serve us, or lies
    DEAD = "dead"  # it does not answer


@dataclass(frozen=True, slots=True)
class Change:
    """A list has become another one to us; for the log and the counters."""

    zone: EdgeZone
    before: ZoneState
    state: ZoneState
    remedy: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of a probe; None where that was not asked. A light one only asks for a stranger."""

    stranger: ListAnswer
    listed: ListAnswer | None = None
    unlisted: ListAnswer | None = None
    witnesses: tuple[ListAnswer, ...] = ()
    light: bool = False

    @property
    def answers(self) -> tuple[ListAnswer, ...]:
        """Return all answers."""
        named = (self.listed, self.unlisted, self.stranger)
        return (*(answer for answer in named if answer is not None), *self.witnesses)


class Watch:
    """What is known of one list. Times are monotonic seconds that are passed in."""

    def __init__(self, zone: EdgeZone, policy: ListHealthPolicy, *, usable: bool = True) -> None:
        """Begin unproved; not `usable` is a list whose key is missing."""
        self.zone = zone
        self.policy = policy
        off = not zone.active or not usable
        self.state = ZoneState.OFF if off else ZoneState.PROBING
        self.remedy = NO_KEY if zone.active and not usable else ""
        self.muted_until = 0.0
        self.due_at = 0.0
        self.probed_at = float("-inf")
        self.begun_at = float("-inf")
        """When the last probe began."""
        self.good_at = float("-inf")
        """When the last one began that found nothing wrong."""
        self.queries = self.hits = self.errors = 0
        self.window = Window(policy.drift_window_seconds)
        self._mute_seconds = 0.0
        self._healed_at = 0.0
        self._factor = START_FACTOR
        self._missed = 0
        self._since = OrderedDict[str, float]()

    @property
    def asked(self) -> bool:
        """Say whether the list is asked."""
        return self.state in (ZoneState.PROBING, ZoneState.HEALTHY)

    @property
    def odd(self) -> bool:
        """Say whether it lists so much more than usual that its word alone is not enough."""
        policy = self.policy
        least = max(2, policy.drift_queries // FEW)
        return self.window.risen(policy.drift_share, policy.drift_factor, least)

    def confirmed(self, subject: str) -> bool:
        """Say whether its listing of a subject is enough to refuse for good.

        That takes a probe that began after the listing was first seen, and found nothing wrong.
        """
        since = self._since.get(subject)
        return self.asked and since is not None and self.good_at >= since and not self.odd

    def note(self, subject: str, answer: ListAnswer, now: float) -> Change | None:
        """Take in an answer about somebody; a refusal mutes the list at once."""
        self.queries += 1
        listed = answer.status is ListStatus.LISTED
        match answer.status:
            case ListStatus.REFUSED:
                return self._mute(answer.detail, now) if self.asked else None
            case ListStatus.FAILED:
                self.errors += 1
                self._sooner(now)
                return None
        self.window.note(subject, now, listed=listed)
        if listed:
            self.hits += 1
            self._since.setdefault(subject, now)
            if len(self._since) > MOST_HITS:
                self._since.popitem(last=False)
            self._sooner(now)
        return None

    def _sooner(self, now: float) -> None:
        """Look at a list that lists or fails at least twice in the time in which it must be found out."""
        longest = min(self.policy.probe_seconds, self.policy.drift_window_seconds) / 2
        self.due_at = min(self.due_at, max(self.probed_at + longest, now))

    def witnesses(self, now: float) -> tuple[str, ...]:
        """Return whom to ask about again where the list lists suspiciously much."""
        return self.window.witnesses(now)[:WITNESSES] if self.odd else ()

    def probed(self, probe: Probe, begun: float, now: float) -> Change | None:
        """Take in a probe that began at `begun`."""
        stale = self.state is ZoneState.MUTED and now < self.muted_until
        if self.state is ZoneState.OFF or stale:
            return None
        wrong = _wrong(probe)
        if wrong:
            self.probed_at = now
            return self._mute(wrong, now)
        failed = any(answer.status is ListStatus.FAILED for answer in probe.answers)
        if probe.light:
            self.due_at = now if failed else self.due_at
            self.good_at = self.good_at if failed else begun
            return None
        self.probed_at = now
        if failed:
            return self._miss(now)
        self.good_at = begun
        return self._heal(now)

    def _mute(self, remedy: str, now: float) -> Change:
        policy, before = self.policy, self.state
        longer = max(policy.mute_seconds, self._mute_seconds * 2)
        self._mute_seconds = min(longer, max(policy.mute_longest_seconds, policy.mute_seconds))
        self.muted_until = self.due_at = now + self._mute_seconds
        self.state, self.remedy, self._factor = ZoneState.MUTED, remedy, START_FACTOR
        self.good_at = float("-inf")
        self._since.clear()
        self.window.forget()
        return Change(self.zone, before, self.state, remedy, self._mute_seconds)

    def _miss(self, now: float) -> Change | None:
        """Count a probe without an answer; what is muted stays muted, since nothing is proved."""
        self.errors += 1
        self._missed += 1
        dying = self._missed >= self.policy.dead_after and self.state is not ZoneState.DEAD
        factor = START_FACTOR if dying or self.state is not ZoneState.DEAD else self._factor * 2
        self._wait(min(factor, DEAD_FACTOR), now)
        if not dying:
            return None
        before, self.state, self.remedy = self.state, ZoneState.DEAD, NO_ANSWER
        self._since.clear()
        return Change(self.zone, before, self.state, NO_ANSWER)

    def _heal(self, now: float) -> Change | None:
        before, self._missed = self.state, 0
        fresh = before is not ZoneState.HEALTHY
        self._wait(
            START_FACTOR if fresh else min(self._factor * 2, self.policy.slowest_factor), now
        )
        if fresh:
            self._healed_at = now
        elif now - self._healed_at >= self._mute_seconds:
            self._mute_seconds = 0.0  # it has been well for as long as it was muted
        self.state, self.muted_until = ZoneState.HEALTHY, 0.0
        self.remedy = RISEN if self.odd else ""
        return Change(self.zone, before, self.state) if fresh else None

    def _wait(self, factor: float, now: float) -> None:
        self._factor = factor
        self.due_at = now + self.policy.probe_seconds * factor


def _wrong(probe: Probe) -> str:
    """Return what is wrong with a list that answered, and what to do; empty where nothing is."""
    for answer in probe.answers:
        if answer.status is ListStatus.REFUSED:
            return answer.detail
    strangers = (probe.unlisted, probe.stranger)
    if any(answer is not None and answer.status is ListStatus.LISTED for answer in strangers):
        return LISTS_ALL
    listed = sum(answer.status is ListStatus.LISTED for answer in probe.witnesses)
    if len(probe.witnesses) > 1 and listed > len(probe.witnesses) / 2:
        return LISTS_ALL
    if probe.listed is not None and probe.listed.status is ListStatus.CLEAR:
        return NO_TEST_ENTRY
    return ""
