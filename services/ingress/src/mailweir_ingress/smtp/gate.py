"""The gate: what a connection is before it is a session.

A small protocol object stands on each accepted connection until it is clear whether the client may come in:

    HEADER    a listed proxy says for whom it speaks (it was not there yet when the connection was accepted)
    CHECKING  the edge's services are asked
    WAITING   a client that nobody knows waits for the banner; one that talks is sent away
    LEAVING   it was turned away, and may read why
    GONE      the session has the connection, or there is none any more

Who is banned, or was refused lately, comes here only where its proxy's header is late (see `acceptor`), and
goes from the first state to LEAVING in one step, with no task, no session and no log line.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from typing import Final, cast

from mailweir_core.decision import Action, Decision
from mailweir_core.net import Address
from mailweir_core.outcome import Outcome
from mailweir_core.record import Listener
from mailweir_ingress.metrics import Waited
from mailweir_ingress.policy.decide import INTERNAL
from mailweir_ingress.policy.edge import Screened
from mailweir_ingress.policy.entry import (
    SILENT_PROXY,
    STRANGE_PROXY,
    on_early_words,
)
from mailweir_ingress.policy.phases import AT_ONCE, BAD_PROXY, SESSIONS_FULL
from mailweir_ingress.policy.shedding import BUSY
from mailweir_ingress.smtp.guest import Caller, Guest
from mailweir_ingress.smtp.house import Door
from mailweir_ingress.smtp.introduction import Peer, introduced, introduced_by, nobody
from mailweir_ingress.smtp.lobby import MAX_LEAVING, Lobby, Refusal
from mailweir_ingress.smtp.proxy import looks_like_proxy
from mailweir_ingress.smtp.pulse import Pulse
from mailweir_ingress.smtp.wire import HIGH_WATER_BYTES, LINGER_BYTES, LINGER_SECONDS

PROXY_SECONDS: Final = 5.0
"""How long a proxy may take to say for whom it speaks."""
GRACE_SECONDS: Final = 0.05
TEASER: Final = "220-{hostname} is getting ready\r\n"

_CRASHED: Final = replace(INTERNAL, close=True)


class State(Enum):
    """How far a connection has come; see the module's docstring."""

    HEADER = auto()
    CHECKING = auto()
    WAITING = auto()
    LEAVING = auto()
    GONE = auto()


class Gate(asyncio.Protocol):
    """One connection before its session."""

    __slots__ = (
        "_came", "_door", "_ended", "_guest", "_lobby", "_peer", "_pipe", "_seated", "_stopped", "_timer",
        "caller", "state",
    )  # fmt: skip

    def __init__(self, lobby: Lobby, door: Door, came: bytes = b"") -> None:
        """Begin with a connection that is about to be made, of which some bytes were read already."""
        self._lobby = lobby
        self._door = door
        self.state = State.GONE
        self.caller: Caller | None = None
        self._peer: Peer | None = None
        self._pipe: asyncio.Transport | None = None
        self._guest: Guest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._came = bytearray(came)
        self._ended = False
        self._stopped = False
        self._seated = False

    # -- as a member of the registry of sessions

    @property
    def pulse(self) -> Pulse:
        """Return what never runs out: a gate has time limits of its own."""
        return self._lobby.pulse

    @property
    def in_data(self) -> bool:
        """Say that no message is under way."""
        return False

    @property
    def client(self) -> Address | None:
        """Return the client's address."""
        return None if self.caller is None else self.caller.client

    @property
    def login(self) -> str:
        """Return nothing: nobody can have logged in."""
        return ""

    @property
    def allowed(self) -> bool:
        """Say that nobody has vouched for the client yet."""
        return False

    def expire(self, decision: Decision) -> None:
        """Turn the client away."""
        if self.state in (State.CHECKING, State.WAITING):
            self._turn_away(decision)

    def cut(self) -> None:
        """Break the connection off."""
        if self._pipe is not None:
            self._pipe.abort()

    # -- what the network does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See who it is; a listed proxy has to say that first."""
        self._pipe = pipe = cast(asyncio.Transport, transport)
        self._lobby.gates.add(pipe)
        self.state = State.CHECKING
        found = pipe.get_extra_info("peername")
        if not found:  # it has gone already
            pipe.abort()
            return
        self._peer = Peer.of(self._door.listener, found)
        caller = introduced(self._peer, self._lobby.house.rules())
        if caller is None:
            self.state = State.HEADER
            self._set_timer(PROXY_SECONDS, self._is_silent)
            if self._came:
                # A loop reads from a transport after this, whatever was said of reading in here.
                asyncio.get_running_loop().call_soon(self._heed)
        else:
            self._meet(caller)

    def data_received(self, data: bytes) -> None:
        """Take what has come; whether it may come yet depends on the state."""
        self._came += data
        self._heed()

    def _heed(self) -> None:
        match self.state:
            case State.HEADER:
                self._read_header()
            case State.CHECKING | State.WAITING:
                self._hear()
            case State.LEAVING if len(self._came) > LINGER_BYTES:
                self.cut()
            case _:
                return

    def eof_received(self) -> bool:
        """Note that the client says no more; True keeps our direction open."""
        self._ended = True
        match self.state:
            case State.HEADER:
                self._mistaken(BAD_PROXY)
                return True
            case State.CHECKING:
                return True
            case _:
                return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        del exc
        if self.state is State.WAITING:
            self._lobby.house.metrics.gate.waits[Waited.LEFT].inc()
        self._leave_state(State.GONE)
        self._give_up_seat()
        if self._pipe is not None:
            self._lobby.gates.discard(self._pipe)
            self._pipe = None

    # -- who it is

    def _read_header(self) -> None:
        if self._peer is None:
            return
        caller = introduced_by(self._peer, self._came, self._lobby.house.rules())
        if caller is not None:
            self._meet(caller)

    def _is_silent(self) -> None:
        """Give up on a proxy, but not before what has come meanwhile was read: we may have been late."""
        self._set_timer(GRACE_SECONDS, partial(self._mistaken, SILENT_PROXY))

    def _meet(self, found: Caller | Decision) -> None:
        if isinstance(found, Caller):
            self._arrive(found)
        else:
            self._mistaken(found)

    def _mistaken(self, decision: Decision) -> None:
        """Turn a proxy away that makes a mistake: nobody knows the client, and the proxy is not judged."""
        if self._peer is not None:
            self.caller = nobody(self._peer)
            self._turn_away(decision)

    # -- whether it may come in

    def _arrive(self, caller: Caller) -> None:
        """Turn the client away at once if it is banned, was refused lately or there is no room."""
        self.caller = caller
        self._leave_state(State.CHECKING)
        lobby = self._lobby
        rules = lobby.house.rules()
        sight = lobby.at_first_sight(caller, rules)
        if sight.refusal is not None:
            self._refuse(sight.refusal)
            return
        self._seated = True
        room = lobby.admit(self, caller, rules)
        if room.action is not Action.ACCEPT:
            self._turn_away(room)
            return
        self._guest = lobby.guest(caller, rules)
        if self._came:
            self._hear()
        if self.state is State.CHECKING:
            self._look_at(self._guest, sight.found)

    def _look_at(self, guest: Guest, found: Screened | None) -> None:
        """Let a client in at once where nobody has to be asked and it need not wait."""
        if self._lobby.is_asked_about(guest) or self._lobby.seconds_to_wait(guest):
            self._lobby.spawn(self._check(guest, found))
        else:
            self._let_in()

    async def _check(self, guest: Guest, found: Screened | None) -> None:
        """Ask who has to be asked, and act on what they say. Raises nothing but cancellation."""
        try:
            await self._screen(guest, found)
        except Exception:
            self._lobby.house.log.exception("screening_crashed", ref=guest.id)
            if self.state is State.CHECKING:
                self._turn_away(_CRASHED)

    async def _screen(self, guest: Guest, found: Screened | None) -> None:
        lobby = self._lobby
        if lobby.is_asked_about(guest):
            screened = await lobby.screen(guest, found)
            lobby.acquainted(guest.caller, screened)
            if found is None:
                lobby.remember(guest.caller, screened)
            if screened.decision is not None:
                if self.state is State.CHECKING:
                    self._turn_away(screened.decision, screened.outcomes)
                return
            guest = replace(guest, facts=screened.client, outcomes=screened.outcomes)
            if self.state is State.CHECKING and lobby.sheds(guest):  # before it costs any more
                self._turn_away(BUSY)
                return
        seconds = lobby.seconds_to_wait(guest)
        if seconds and await lobby.has_pass(guest):
            seconds = 0.0
        if self.state is not State.CHECKING:  # it has gone, or talked, meanwhile
            return
        self._guest = guest
        if seconds:
            self._wait(guest, seconds)
        else:
            self._let_in()

    # -- waiting

    def _wait(self, guest: Guest, seconds: float) -> None:
        """Have the client wait for its banner, of which it may see the beginning."""
        lobby = self._lobby
        if self._pipe is None:
            return
        if not lobby.may_wait(guest.rules):
            self._turn_away(SESSIONS_FULL)
            return
        if self._ended:  # who says no more has nothing to wait for
            self._pipe.close()
            return
        self.state = State.WAITING
        lobby.waiting += 1
        if guest.rules.policy.edge.wait.teaser:
            self._guest = replace(guest, teased=True)
            self._pipe.write(TEASER.format(hostname=guest.rules.hostname).encode())
        self._set_timer(seconds, self._has_waited)

    def _has_waited(self) -> None:
        guest = self._guest
        if guest is None or guest.caller.client is None:
            return
        house = self._lobby.house
        house.metrics.gate.waits[Waited.PASSED].inc()
        house.passes.grant(guest.caller.client, guest.rules.policy.edge.wait.pass_seconds)
        self._let_in()

    def _hear(self) -> None:
        """Turn a client away that talks before the banner, where that is not tolerated."""
        caller, policy = self.caller, self._lobby.house.rules().policy
        if caller is None or self._pipe is None:
            return
        if self._door.listener is not Listener.MX or not policy.session.reject_early_talkers:
            if len(self._came) > HIGH_WATER_BYTES and not self._stopped:
                self._pipe.pause_reading()
                self._stopped = True
            return
        if self.state is State.WAITING:
            self._lobby.house.metrics.gate.waits[Waited.TALKED].inc()
        self._turn_away(
            STRANGE_PROXY if looks_like_proxy(self._came) else on_early_words(self._came)
        )

    # -- the ways out

    def _let_in(self) -> None:
        """Hand the connection over to a session, with what has come already."""
        pipe, guest = self._pipe, self._guest
        if pipe is None or guest is None or pipe.is_closing():
            return
        if self._lobby.sheds(guest):
            self._turn_away(BUSY)
            return
        self._leave_state(State.GONE)
        self._lobby.gates.discard(pipe)
        self._pipe = None
        link = self._lobby.let_in(guest, self._door, pipe, self)
        if self._stopped:
            pipe.resume_reading()
        if self._came:
            link.data_received(bytes(self._came))
            self._came.clear()
        if self._ended:
            link.eof_received()

    def _turn_away(self, decision: Decision, outcomes: tuple[Outcome, ...] = ()) -> None:
        if self.caller is not None:
            self._refuse(Refusal(self.caller, decision, outcomes))

    def _refuse(self, refusal: Refusal) -> None:
        """Say why, and close so that the client can read that."""
        pipe, decision, lobby = self._pipe, refusal.decision, self._lobby
        if pipe is None:
            return
        self._leave_state(State.LEAVING)
        self._give_up_seat()
        reply = lobby.refuse(refusal)
        lobby.leaving += 1
        if self._door.listener is Listener.SUBMISSIONS:
            pipe.close()  # text would make no sense to a client that wants TLS
            return
        if pipe.is_closing():
            return
        pipe.write(reply)
        if self._ended or decision.reason in AT_ONCE or lobby.leaving > MAX_LEAVING:
            pipe.close()
            return
        self._came.clear()
        if self._stopped:
            pipe.resume_reading()
        pipe.write_eof()
        self._set_timer(LINGER_SECONDS, pipe.close)  # which sends what was not sent yet

    # -- small change

    def _leave_state(self, state: State) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.state is State.WAITING:
            self._lobby.waiting -= 1
        elif self.state is State.LEAVING:
            self._lobby.leaving -= 1
        self.state = state

    def _give_up_seat(self) -> None:
        if self._seated:
            self._seated = False
            self._lobby.house.sessions.leave(self)

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, then)
