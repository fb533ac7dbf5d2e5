"""Resolvers without a network: one that is switched off, and one of given records."""

from collections.abc import Iterable, Mapping
from typing import Final

from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType

OFF: Final = DnsAnswer(DnsStatus.TEMPERROR, detail="look-ups are switched off")
TTL_SECONDS: Final = 300.0

Records = Mapping[str, Mapping[RecordType, tuple[str, ...]]]


class NoResolver:
    """Look-ups are switched off: nothing is asked, every answer says so."""

    async def resolve(
        self, questions: tuple[DnsQuestion, ...], _seconds: float, /
    ) -> tuple[DnsAnswer, ...]:
        """Return that look-ups are switched off, once a question."""
        return (OFF,) * len(questions)

    def begin(self, _question: DnsQuestion, *, fresh: bool = False) -> DnsAnswer:
        """Return that look-ups are switched off."""
        del fresh
        return OFF


class ZoneResolver:
    """Answers from records by name and type, in the form that `DnsAnswer` has them.

    A name that has records below it exists (RFC 8020). Names in `failing` are TEMPERROR. `asked` keeps the
    questions.
    """

    def __init__(
        self,
        records: Records,
        aliases: Mapping[str, str] | None = None,
        failing: Iterable[str] = (),
    ) -> None:
        """Take records as they are; `aliases` are CNAMEs by name."""
        self._records = records
        self._aliases = aliases or {}
        self._failing = frozenset(failing)
        self._ancestors = {
            parent for name in (*records, *self._aliases) for parent in _parents(name)
        }
        self.asked: list[DnsQuestion] = []

    async def resolve(
        self, questions: tuple[DnsQuestion, ...], _seconds: float, /
    ) -> tuple[DnsAnswer, ...]:
        """Return the answers at once."""
        return self.answer(questions)

    def begin(self, question: DnsQuestion, *, fresh: bool = False) -> DnsAnswer:
        """Return the answer at once."""
        del fresh
        return self.answer((question,))[0]

    def answer(self, questions: tuple[DnsQuestion, ...]) -> tuple[DnsAnswer, ...]:
        """Return the answers, for evaluators that are driven without a loop."""
        self.asked += questions
        return tuple(self._answer(question) for question in questions)

    def _answer(self, question: DnsQuestion) -> DnsAnswer:
        name = question.name
        for _ in range(len(self._aliases)):
            name = self._aliases.get(name, name)
        if name in self._failing or name in self._aliases:
            return DnsAnswer(DnsStatus.TEMPERROR, detail="no name server answered")
        found = self._records.get(name, {}).get(question.type, ())
        if found:
            return DnsAnswer(DnsStatus.OK, found, TTL_SECONDS)
        exists = name in self._records or name in self._ancestors
        return DnsAnswer(DnsStatus.NODATA if exists else DnsStatus.NXDOMAIN, (), TTL_SECONDS)


def _parents(name: str) -> Iterable[str]:
    labels = name.split(".")
    return (".".join(labels[n:]) for n in range(1, len(labels)))
