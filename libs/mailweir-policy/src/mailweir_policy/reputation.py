"""Who is this: DNS lists at the door, list health, history, allow and block lists, correspondents."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mailweir_policy.base import PolicyModel
from mailweir_policy.edge import Remedy
from mailweir_policy.fields import Seconds
from mailweir_policy.lists import ListZone


class EdgeZone(ListZone):
    """A list that is asked in the session. A negative score makes it an allow list.

    `checks` says what it is asked about: `client` before the banner, `helo` and `from` at MAIL.
    """

    policy_list: bool = False
    """A listing is enough to refuse by itself: a list of what must not send mail at all."""
    test_entries: bool = True
    """It lists the test entries of RFC 5782: 127.0.0.2, or the domain `test`. Lists of one's own may not."""


class ListHealthPolicy(PolicyModel):
    """How lists are watched: one that fails, refuses us or lists the world is muted."""

    probe_seconds: Seconds = 60.0
    """How often 127.0.0.2 (must be listed) and 127.0.0.1 (must not) are asked for; of domains `test` and
    `invalid`. A list that lists somebody is probed twice as often at least."""
    confirm_seconds: Seconds = 0.5
    """A listing refuses for good once a later probe found the list well; such probes come no faster."""
    slowest_factor: float = Field(30.0, ge=1, le=100)
    """A healthy list is probed up to so many times more rarely."""
    dead_after: int = Field(2, ge=1, le=100)
    """Probes in a row without an answer after which a list is dead."""
    mute_seconds: Seconds = 300.0
    """A list that is not served to us or lists the world is not asked for so long, doubled each time."""
    mute_longest_seconds: Seconds = 3600.0
    drift_window_seconds: Seconds = 60.0
    """Window over which the share of listed answers is looked at."""
    drift_share: float = Field(0.6, gt=0, le=1)
    """A share over this, and over `drift_factor` times what it was: what the list alone speaks against is
    only put off, and it is muted once those are listed too whom it did not list before."""
    drift_factor: float = Field(3.0, ge=1, le=100)
    drift_queries: int = Field(20, ge=1, le=100_000)
    """Least different clients in the window before the share counts."""


class HistoryPolicy(PolicyModel):
    """What clients and senders have done, with decay."""

    enabled: bool = True
    half_life_seconds: Seconds = 864_000.0
    """After this time what was done counts half."""
    least_messages: float = Field(10.0, ge=1, le=1000)
    """Messages (decayed) from which a history says something."""
    forget_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 2_592_000.0
    """A key that was not seen for so long is forgotten."""
    weight: Annotated[float, Field(ge=0, le=10)] = 2.0
    """Most points that a history adds to or takes from a score."""
    good_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of spam up to which a client is `good`."""
    bad_share: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of spam from which a client is `bad`."""
    bad_siblings: int = Field(4, ge=1, le=16)
    """Bad IPv6 /64 networks from which the /56 around them is bad, and such /56 for a /48."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.good_share >= self.bad_share:
            raise ValueError("good_share must be below bad_share")
        return self


class ReputationPolicy(PolicyModel):
    """The service `reputation`. Without zones no list is asked."""

    zones: tuple[EdgeZone, ...] = Field((), max_length=64)
    reject_score: Annotated[float, Field(gt=0, le=100)] = 6.0
    """Sum of the lists' scores from which a client is refused, if two providers or one policy list agree."""
    allow_score: Annotated[float, Field(ge=-100, le=-0.01)] = -1.0
    """Sum of the lists' scores down to which a client is spared the wait and greylisting."""
    queries: int = Field(64, ge=0, le=500)
    """Most DNS questions about one message at the edge."""
    look_up_names: bool = True
    """Whether names of clients, HELO names and sender domains are looked up; needs a name server."""
    spf: bool = True
    """Whether SPF is checked at MAIL; needs a name server."""
    health: ListHealthPolicy = ListHealthPolicy()
    history: HistoryPolicy = HistoryPolicy()
    correspondent_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 2_592_000.0
    """Whom one of our users wrote to is known for so long."""
    correspondent_points: Annotated[float, Field(ge=-10, le=0)] = -1.0
    """Points for mail to that user from there, where SPF authorises the client."""
    allowed_points: Annotated[float, Field(ge=-10, le=0)] = -10.0
    """Points for mail that an entry of an allow list speaks for; malware is refused all the same."""
    blocked: Remedy = Remedy.REJECT
    """What follows from an entry of a block list. A refused client is turned away before its banner."""
    blocked_points: Annotated[float, Field(ge=0, le=10)] = 10.0
    """Points for mail that an entry of a block list speaks against, where that is not refused."""
    entry_valid_seconds: Seconds = 60.0
    """An answer on a client that rests on an entry is asked for anew after this time at the latest."""
    answer_seconds: Annotated[float, Field(gt=0, le=5)] = 0.05
    """Without an answer of the store of histories and correspondents by then, mail passes; it is counted."""
    longest_valid_seconds: Seconds = 3600.0
    """What lists say of a client holds for at most so long, and for at most the TTL of the answers."""
    shortest_valid_seconds: Seconds = 60.0

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [zone.name for zone in self.zones]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the list {twice!r} is named twice")
        return self
