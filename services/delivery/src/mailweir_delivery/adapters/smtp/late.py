"""Replies to the end of data that come after we stopped waiting: what was taken must not be sent twice.

The connection of an unanswered transaction is kept and listened to. When its message is tried again, a 250
that came meanwhile counts; while none came, the message is not sent again until `late_reply_seconds` ran
out. This lives in one process: a crash, or a retry by another process, sends again.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from typing import Final

from mailweir_delivery.adapters.smtp.link import Link
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.replies import Ending, RemoteReply, Stage, Verdict, deferred, judge

MAX_LISTENING: Final = 1000
"""Unanswered transactions that are listened to; the oldest one makes room."""

Key = tuple[str, int]


class LateReplies:
    """Who still owes us an answer, and what was answered late; by reference and release."""

    def __init__(self, metrics: Metrics) -> None:
        """Begin with none."""
        self._metrics = metrics
        self._entries: dict[Key, list[_Owed]] = {}

    def __len__(self) -> int:
        """Return for how many messages there is something."""
        return len(self._entries)

    def listen(
        self, key: Key, link: Link, owed: tuple[tuple[str, ...], ...], hop: str, seconds: float
    ) -> None:
        """Keep the connection of a transaction whose end was not answered, for so many seconds."""
        if len(self._entries) >= MAX_LISTENING:
            self._drop(next(iter(self._entries)))
        entry = _Owed(link, owed, hop, self._metrics)
        self._entries.setdefault(key, []).append(entry)
        entry.expiry = asyncio.get_running_loop().call_later(seconds, self._forget, key, entry)
        link.listen(entry.on_reply)

    def take(self, key: Key, recipients: Collection[str]) -> Mapping[str, Ending]:
        """Return what is known of these recipients: late answers, each once, and that one is owed."""
        found: dict[str, Ending] = {}
        for entry in tuple(self._entries.get(key, ())):
            found |= entry.take(recipients)
            if entry.is_over:
                self._forget(key, entry)
        return found

    def close(self) -> None:
        """Stop listening."""
        for key in tuple(self._entries):
            self._drop(key)

    def _drop(self, key: Key) -> None:
        for entry in tuple(self._entries.get(key, ())):
            self._forget(key, entry)

    def _forget(self, key: Key, entry: "_Owed") -> None:
        entry.end()
        left = [e for e in self._entries.get(key, ()) if e is not entry]
        if left:
            self._entries[key] = left
        else:
            self._entries.pop(key, None)


class _Owed:
    """One transaction whose end was not answered."""

    def __init__(
        self, link: Link, owed: tuple[tuple[str, ...], ...], hop: str, metrics: Metrics
    ) -> None:
        self.owed = deque(owed)
        self.expiry: asyncio.TimerHandle | None = None
        self._link = link
        self._hop = hop
        self._metrics = metrics
        self._settled: dict[str, Ending] = {}

    def on_reply(self, reply: RemoteReply | None) -> None:
        """Note an answer, or that none will come."""
        if reply is None:
            self.owed.clear()
            return
        if not self.owed:
            return
        ending = judge(reply, Stage.DOT, self._hop)
        self._metrics.late_replies.labels(ending.verdict).inc()
        people = self.owed.popleft()
        if ending.verdict is not Verdict.DEFERRED:
            self._settled |= dict.fromkeys(people, ending)
        if not self.owed:
            self._link.quit()

    @property
    def is_over(self) -> bool:
        """Say whether nothing is left to come or to take."""
        return not self.owed and not self._settled

    def take(self, recipients: Collection[str]) -> Mapping[str, Ending]:
        """Return late answers, and a deferral for whom one is still owed."""
        found = {r: self._settled.pop(r) for r in recipients if r in self._settled}
        waiting = deferred("4.4.2", "the next hop has not answered the end of data yet", self._hop)
        return found | {r: waiting for people in self.owed for r in people if r in recipients}

    def end(self) -> None:
        """Stop listening."""
        if self.expiry is not None:
            self.expiry.cancel()
        if self.owed:
            self.owed.clear()
            self._link.abort()
