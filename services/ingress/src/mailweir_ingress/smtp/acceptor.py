"""Accepts connections, and turns away at once whom nobody has to be asked about.

Who is banned, or was refused lately, and waits for the banner as it should gets its reply and the end of the
connection right on the socket that was accepted: no transport, no protocol, no timer, no task. Everybody else
gets a `Gate`, which has time for those who talk before they listen.
"""

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import Final

from mailweir_core.decision import Decision
from mailweir_core.record import Listener
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.smtp.gate import Gate
from mailweir_ingress.smtp.guest import Caller
from mailweir_ingress.smtp.house import Door
from mailweir_ingress.smtp.introduction import Peer, introduced, introduced_by
from mailweir_ingress.smtp.lobby import Lobby, Refusal
from mailweir_ingress.smtp.proxy import MAX_V2_BYTES

AT_ONCE: Final = 16
"""Connections taken in one turn of the loop: others' work must not wait for a long queue of them."""
REST_SECONDS: Final = 1.0
"""How long nothing is accepted after an error, as when there is no descriptor left."""
HEADER_SECONDS: Final = 0.5
"""How long a proxy's header is waited for on the bare socket; a gate waits for the rest of its time."""


class Acceptor:
    """Accepts at one listening socket, from `open` to `close`."""

    def __init__(self, listening: socket.socket, door: Door, lobby: Lobby) -> None:
        """Take a socket that listens and does not block."""
        self._listening = listening
        self._door = door
        self._lobby = lobby
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.TimerHandle | None = None
        self._mute: dict[socket.socket, tuple[Peer, float]] = {}
        self._tiring: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to accept."""
        self._rest = None
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more; connections that were accepted are not touched."""
        for timer in (self._rest, self._tiring):
            if timer is not None:
                timer.cancel()
        for pipe in tuple(self._mute):
            self._forget(pipe)
            self._lobby.spawn(self._hand_over(pipe, b""))
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                pipe, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._lobby.house.log.error("accept_failed", detail=error.strerror or str(error))
                self._loop.remove_reader(self._listening.fileno())
                self._rest = self._loop.call_later(REST_SECONDS, self.open)
                return
            self._meet(pipe, peer)

    def _meet(self, pipe: socket.socket, found: tuple[str, int]) -> None:
        rules = self._lobby.house.rules()
        peer = Peer.of(self._door.listener, found)
        caller = introduced(peer, rules)
        if caller is None:
            self._hear(pipe, peer)
        else:
            self._look_at(pipe, caller, _read(pipe, MAX_V2_BYTES), rules, said=0)

    # -- a proxy says for whom it speaks, as a rule a moment after it has connected

    def _hear(self, pipe: socket.socket, peer: Peer) -> None:
        came = _read(pipe, MAX_V2_BYTES)
        if came:
            self._read_header(pipe, peer, came)
            return
        self._mute[pipe] = (peer, self._loop.time() + HEADER_SECONDS)
        self._loop.add_reader(pipe.fileno(), self._speaks, pipe)
        if self._tiring is None:
            self._tiring = self._loop.call_later(HEADER_SECONDS, self._tire)

    def _speaks(self, pipe: socket.socket) -> None:
        self._read_header(pipe, self._forget(pipe), _read(pipe, MAX_V2_BYTES))

    def _tire(self) -> None:
        """Give those who have not spoken for long a gate; the first to come are the first to go."""
        self._tiring, now = None, self._loop.time()
        for pipe, (_, until) in tuple(self._mute.items()):
            if until > now:
                self._tiring = self._loop.call_at(until, self._tire)
                return
            self._forget(pipe)
            self._lobby.spawn(self._hand_over(pipe, b""))

    def _forget(self, pipe: socket.socket) -> Peer:
        peer, _ = self._mute.pop(pipe)
        self._loop.remove_reader(pipe.fileno())
        return peer

    def _read_header(self, pipe: socket.socket, peer: Peer, came: bytes) -> None:
        rules = self._lobby.house.rules()
        left = bytearray(came)
        caller = introduced_by(peer, left, rules) if came else None
        self._look_at(pipe, caller, came, rules, said=len(came) - len(left))

    # -- in or out

    def _look_at(
        self,
        pipe: socket.socket,
        caller: Caller | Decision | None,
        came: bytes,
        rules: Rules,
        *,
        said: int,
    ) -> None:
        """Act on who it is; `said` bytes of those that came are its proxy's header."""
        if isinstance(caller, Caller) and len(came) == said:
            refusal = self._lobby.at_first_sight(caller, rules).refusal
            if refusal is not None:
                self._turn_away(pipe, refusal)
                return
        self._lobby.spawn(self._hand_over(pipe, came))

    def _turn_away(self, pipe: socket.socket, refusal: Refusal) -> None:
        reply = self._lobby.refuse(refusal)
        with pipe, suppress(OSError):  # it may have gone already, and was to go
            if self._door.listener is not Listener.SUBMISSIONS:  # which wants TLS, not text
                pipe.send(reply, socket.MSG_DONTWAIT)

    async def _hand_over(self, pipe: socket.socket, came: bytes) -> None:
        """Give a connection its gate, with what was read of it. Raises nothing but cancellation."""
        try:
            pipe.setblocking(False)
            pipe.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            gate = partial(Gate, self._lobby, self._door, came)
            await self._loop.connect_accepted_socket(gate, pipe)
        except OSError:
            pipe.close()  # it has gone already
        except asyncio.CancelledError:
            pipe.close()
            raise


def _read(pipe: socket.socket, most: int) -> bytes:
    """Return what has come, at most so much; nothing where nothing has."""
    try:
        return pipe.recv(most, socket.MSG_DONTWAIT)
    except OSError:
        return b""
