"""The DNS table that pure code is tested with."""

import pytest

from mailweir_core.asking import Asking, drive
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_testkit.zones import Zones

TABLE = {
    "Example.com.": {"TXT": ["v=spf1 -all", ("a", "b")], "MX": ["10 MX.example.com."], "A": []},
    "mx.example.com": {"A": ["192.0.2.1"], "AAAA": "TIMEOUT"},
    "a.b.example.org": {"A": ["192.0.2.2"]},
    "www.example.com": {"CNAME": ["example.com"]},
    "loop.example.com": {"CNAME": ["loop.example.com"]},
    "slow.example": "TIMEOUT",
    "gone.example": "NXDOMAIN",
}


def ask(name: str, kind: RecordType) -> DnsAnswer:
    (answer,) = Zones(TABLE).answer((DnsQuestion(name, kind),))
    return answer


@pytest.mark.parametrize(
    ("name", "kind", "status", "records"),
    [
        ("example.com", RecordType.TXT, DnsStatus.OK, ("v=spf1 -all", "ab")),
        ("example.com", RecordType.MX, DnsStatus.OK, ("10 mx.example.com",)),
        ("example.com", RecordType.A, DnsStatus.NODATA, ()),
        ("example.com", RecordType.PTR, DnsStatus.NODATA, ()),
        ("mx.example.com", RecordType.A, DnsStatus.OK, ("192.0.2.1",)),
        ("mx.example.com", RecordType.AAAA, DnsStatus.TEMPERROR, ()),
        ("www.example.com", RecordType.TXT, DnsStatus.OK, ("v=spf1 -all", "ab")),
        ("loop.example.com", RecordType.A, DnsStatus.TEMPERROR, ()),
        ("b.example.org", RecordType.A, DnsStatus.NODATA, ()),
        ("c.example.org", RecordType.A, DnsStatus.NXDOMAIN, ()),
        ("slow.example", RecordType.A, DnsStatus.TEMPERROR, ()),
        ("gone.example", RecordType.A, DnsStatus.NXDOMAIN, ()),
    ],
)
def test_answers(name: str, kind: RecordType, status: DnsStatus, records: tuple[str, ...]) -> None:
    answer = ask(name, kind)
    assert (answer.status, answer.records) == (status, records)


def test_it_drives_what_asks_and_notes_the_questions() -> None:
    def asking() -> Asking[str]:
        first, second = yield (
            DnsQuestion("example.com", RecordType.TXT),
            DnsQuestion("slow.example", RecordType.A),
        )
        (third,) = yield (DnsQuestion("example.com", RecordType.TXT),)
        return f"{first.status} {second.detail} {third.ttl:.0f}"

    zones = Zones(TABLE)
    assert drive(asking(), zones.answer) == "ok timeout 300"
    assert zones.rounds == 2
    assert zones.count("EXAMPLE.com.", "TXT") == 2
    assert zones.asked[1] == DnsQuestion("slow.example", RecordType.A)


def test_a_question_of_another_kind_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="not a question"):
        Zones(TABLE).answer(("example.com",))


@pytest.mark.parametrize("name", ["example.com.", "Example.com"])
def test_a_name_that_is_not_plain_is_a_mistake(name: str) -> None:
    with pytest.raises(AssertionError, match="plain"):
        ask(name, RecordType.A)
