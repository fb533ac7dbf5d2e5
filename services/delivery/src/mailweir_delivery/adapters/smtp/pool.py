"""Open sessions without work, kept for the next message to the same next hop."""

import asyncio
from dataclasses import dataclass
from typing import Final

from mailweir_delivery.adapters.smtp.session import Session
from mailweir_delivery.policy.routing import Hop, Tls

MAX_IDLE: Final = 512
"""Sessions kept without work over all next hops."""


@dataclass(frozen=True, slots=True)
class PoolKey:
    """What sessions must share to stand in for each other."""

    hop: Hop
    tls: Tls
    hello: str


class Pool:
    """Idle sessions by key; the one used last is used first, so that the others can go."""

    def __init__(self) -> None:
        """Begin with none."""
        self._idle: dict[PoolKey, list[tuple[Session, asyncio.TimerHandle]]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many sessions are idle."""
        return self._count

    def take(self, key: PoolKey) -> Session | None:
        """Return an idle session that still stands, or None."""
        waiting = self._idle.get(key)
        while waiting:
            session, timer = waiting.pop()
            timer.cancel()
            self._count -= 1
            if not waiting:
                del self._idle[key]
            if session.reusable:
                return session
            session.link.abort()
        return None

    def give(self, key: PoolKey, session: Session, idle_seconds: float) -> None:
        """Keep a session for so many seconds; a full pool lets it go."""
        if self._count >= MAX_IDLE:
            session.link.quit()
            return
        timer = asyncio.get_running_loop().call_later(idle_seconds, self._expire, key, session)
        self._idle.setdefault(key, []).append((session, timer))
        self._count += 1

    def close(self) -> None:
        """Let every session go."""
        for key, waiting in tuple(self._idle.items()):
            for session, timer in tuple(waiting):
                timer.cancel()
                self._expire(key, session)

    def _expire(self, key: PoolKey, session: Session) -> None:
        waiting = self._idle[key]
        self._idle[key] = [item for item in waiting if item[0] is not session]
        self._count -= 1
        if not self._idle[key]:
            del self._idle[key]
        session.link.quit()
