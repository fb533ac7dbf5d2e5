"""DNS as a table, for pure code that asks (`mailweir_core.asking`): no socket, no time that passes.

    zones = Zones({
        "example.com": {"TXT": ["v=spf1 mx -all"], "MX": ["10 mx.example.com"]},
        "mx.example.com": {"A": ["192.0.2.1"], "AAAA": "TIMEOUT"},
        "1.2.0.192.in-addr.arpa": {"PTR": ["mx.example.com"]},
        "www.example.com": {"CNAME": ["example.com"]},
        "slow.example": "TIMEOUT",
    })
    result = drive(check_host(...), zones.answer)
    assert DnsQuestion("example.com", RecordType.TXT) in zones.asked

Names compare without regard to case and a final dot. A name that is not in the table does not exist, unless
one below it does (an empty non-terminal, RFC 8020); then it has no data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType

Records = Sequence[str | Sequence[str]]
Zone = Mapping[str, Records | str] | str

MAX_CNAMES: Final = 10
TTL: Final = 300.0
_FAILURES: Final = {
    "TIMEOUT": DnsAnswer(DnsStatus.TEMPERROR, detail="timeout"),
    "SERVFAIL": DnsAnswer(DnsStatus.TEMPERROR, detail="SERVFAIL"),
    "REFUSED": DnsAnswer(DnsStatus.TEMPERROR, detail="REFUSED"),
    "NXDOMAIN": DnsAnswer(DnsStatus.NXDOMAIN),
    "NODATA": DnsAnswer(DnsStatus.NODATA),
}
_HOSTS: Final = (RecordType.PTR, RecordType.MX)


@dataclass(slots=True)
class Zones:
    """Names and what they answer: records by type, or one of TIMEOUT, SERVFAIL, REFUSED, NXDOMAIN, NODATA.

    Such a word may stand for a whole name or for one type of it. A TXT record is a text, or a sequence of
    character-strings that are joined. `asked` holds every question in order, `rounds` how often some
    were asked.
    """

    table: Mapping[str, Zone]
    ttl: float = TTL
    asked: list[DnsQuestion] = field(default_factory=list)
    rounds: int = 0
    _names: dict[str, Zone] = field(init=False)
    _parents: set[str] = field(init=False)

    def __post_init__(self) -> None:
        """Index the table by lower-case name, and note every name above one in it."""
        self._names = {_plain(name): zone for name, zone in self.table.items()}
        self._parents = {
            name.split(".", at)[at] for name in self._names for at in range(1, name.count(".") + 1)
        }

    def answer(self, questions: tuple[Any, ...]) -> tuple[DnsAnswer, ...]:
        """Answer questions in their order; raises TypeError for one that is no DnsQuestion."""
        self.rounds += 1
        return tuple(self._answer(question) for question in questions)

    def count(self, name: str, kind: str) -> int:
        """Return how often a question was asked."""
        return self.asked.count(DnsQuestion(_plain(name), RecordType(kind)))

    def _answer(self, question: object) -> DnsAnswer:
        if not isinstance(question, DnsQuestion):
            msg = f"not a question to DNS: {question!r}"
            raise TypeError(msg)
        assert question.name == _plain(question.name), f"not a plain name: {question.name!r}"
        self.asked.append(question)
        name = question.name
        for _ in range(MAX_CNAMES):
            found = self._look_up(name, question.type)
            if isinstance(found, DnsAnswer):
                return found
            name = found
        return _FAILURES["SERVFAIL"]

    def _look_up(self, name: str, kind: RecordType) -> DnsAnswer | str:
        """Return the answer, or the name that an alias leads to."""
        zone = self._names.get(name)
        if zone is None:
            return _FAILURES["NODATA" if name in self._parents else "NXDOMAIN"]
        if isinstance(zone, str):
            return _FAILURES[zone]
        records = zone.get(kind)
        if records is None and "CNAME" in zone:
            return _plain(str(zone["CNAME"][0]))
        if not records:
            return _FAILURES["NODATA"]
        if isinstance(records, str):
            return _FAILURES[records]
        texts = (text if isinstance(text, str) else "".join(text) for text in records)
        return DnsAnswer(DnsStatus.OK, tuple(_record(kind, text) for text in texts), self.ttl)


def _record(kind: RecordType, text: str) -> str:
    return _plain(text) if kind in _HOSTS else text


def _plain(name: str) -> str:
    return name.removesuffix(".").lower()
