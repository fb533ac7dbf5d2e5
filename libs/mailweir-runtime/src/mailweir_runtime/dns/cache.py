"""Answers that are kept for their time, the longest unused dropped first."""

from collections import OrderedDict

from mailweir_core.dns import DnsAnswer, DnsQuestion


class AnswerCache:
    """A bounded map from questions to answers. Values are immutable, so they are shared."""

    def __init__(self, entries: int) -> None:
        """Keep at most `entries` answers."""
        self._entries = entries
        self._kept: OrderedDict[DnsQuestion, tuple[float, DnsAnswer]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are kept, those whose time is over included until somebody asks."""
        return len(self._kept)

    def get(self, question: DnsQuestion, now: float) -> DnsAnswer | None:
        """Return the answer with the rest of its time as TTL; None where there is none or it is over."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        until, answer = kept
        if until <= now:
            del self._kept[question]
            return None
        self._kept.move_to_end(question)
        # written out: this is asked for more often than anything, and `replace` takes several times as long
        return DnsAnswer(answer.status, answer.records, until - now, answer.detail)

    def put(self, question: DnsQuestion, answer: DnsAnswer, now: float) -> None:
        """Keep an answer for its TTL."""
        if answer.ttl <= 0:
            return
        self._kept[question] = (now + answer.ttl, answer)
        self._kept.move_to_end(question)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)
