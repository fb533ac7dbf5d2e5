"""What every resolver promises: answers in order, failures as values, a dead name no exception."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_core.dns import DnsQuestion, DnsStatus, RecordType
from mailweir_runtime.dns import NoResolver, Resolver, ZoneResolver, declare, open_resolver
from mailweir_testkit.dns import Misbehaviour, dns_server

ZONE = """
@      300 IN MX   20 MX2
@      300 IN MX   10 mx1
@      300 IN TXT  "one" "two"
@      300 IN TXT  "\\195\\164"
mx1    300 IN A    192.0.2.1
mx1    300 IN AAAA 2001:db8::1
null   300 IN MX   0 .
a.b.c  300 IN TXT  "deep"
alias  300 IN CNAME mx1
nowhere 300 IN CNAME missing
1      300 IN PTR  Host.Example.ORG.
"""
RECORDS = {
    "example.org": {
        RecordType.MX: ("10 mx1.example.org", "20 mx2.example.org"),
        RecordType.TXT: ("onetwo", "\u00c3\u00a4"),
    },
    "mx1.example.org": {RecordType.A: ("192.0.2.1",), RecordType.AAAA: ("2001:db8::1",)},
    "null.example.org": {RecordType.MX: ("0 .",)},
    "a.b.c.example.org": {RecordType.TXT: ("deep",)},
    "1.example.org": {RecordType.PTR: ("host.example.org",)},
}
ALIASES = {"alias.example.org": "mx1.example.org", "nowhere.example.org": "missing.example.org"}

Make = Callable[[], AbstractAsyncContextManager[Resolver]]


@asynccontextmanager
async def real() -> AsyncIterator[Resolver]:
    metrics = declare(CollectorRegistry(), "test")
    async with dns_server({"example.org": ZONE}) as server:
        server.misbehave("sick.example.org", Misbehaviour.SERVFAIL)
        async with open_resolver(server.address, clock=SystemClock(), metrics=metrics) as resolver:
            yield resolver


@asynccontextmanager
async def memory() -> AsyncIterator[Resolver]:
    yield ZoneResolver(RECORDS, ALIASES, failing=["sick.example.org"])


@asynccontextmanager
async def off() -> AsyncIterator[Resolver]:
    yield NoResolver()


answering = pytest.mark.parametrize(
    "make", [pytest.param(real, marks=pytest.mark.integration), memory]
)
every = pytest.mark.parametrize(
    "make", [pytest.param(real, marks=pytest.mark.integration), memory, off]
)


async def ask(make: Make, name: str, kind: RecordType) -> tuple[DnsStatus, tuple[str, ...]]:
    async with make() as resolver:
        (answer,) = await resolver.resolve((DnsQuestion(name, kind),), 2.0)
    assert answer.status is DnsStatus.OK or answer.records == ()
    return answer.status, tuple(sorted(answer.records))


@answering
@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        (name, kind, records)
        for name, by_type in RECORDS.items()
        for kind, records in by_type.items()
    ],
)
async def test_records_have_one_form(
    make: Make, name: str, kind: RecordType, records: tuple[str, ...]
) -> None:
    assert await ask(make, name, kind) == (DnsStatus.OK, tuple(sorted(records)))


@answering
async def test_an_alias_is_followed(make: Make) -> None:
    assert await ask(make, "alias.example.org", RecordType.A) == (DnsStatus.OK, ("192.0.2.1",))


@answering
@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("missing.example.org", RecordType.A, DnsStatus.NXDOMAIN),
        ("nowhere.example.org", RecordType.A, DnsStatus.NXDOMAIN),
        ("elsewhere.example", RecordType.TXT, DnsStatus.NXDOMAIN),
        ("mx1.example.org", RecordType.TXT, DnsStatus.NODATA),
        ("b.c.example.org", RecordType.TXT, DnsStatus.NODATA),
        ("sick.example.org", RecordType.TXT, DnsStatus.TEMPERROR),
    ],
)
async def test_ways_to_have_no_records(
    make: Make, name: str, kind: RecordType, status: DnsStatus
) -> None:
    assert await ask(make, name, kind) == (status, ())


@every
async def test_answers_come_in_the_order_of_the_questions(make: Make) -> None:
    names = ["mx1.example.org", "missing.example.org", "mx1.example.org", "alias.example.org"]
    async with make() as resolver:
        questions = tuple(DnsQuestion(name, RecordType.A) for name in names)
        answers = await resolver.resolve(questions, 2.0)
        apart = [(await resolver.resolve((question,), 2.0))[0] for question in questions]
        assert await resolver.resolve((), 2.0) == ()
    assert [a.records for a in answers] == [a.records for a in apart]
    assert len(answers) == len(names)


@every
@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        "x" * 64 + ".example",
        ".".join(["label"] * 60),
        "käse.example",
        "a\\.b.example",
        "a b.example",
        "\x00.example",
        "*.example.org",
    ],
)
async def test_a_name_that_can_be_none_is_an_answer(make: Make, name: str) -> None:
    async with make() as resolver:
        (answer,) = await resolver.resolve((DnsQuestion(name, RecordType.A),), 2.0)
    assert answer.records == ()


async def test_switched_off_says_so() -> None:
    (answer,) = await NoResolver().resolve((DnsQuestion("example.org", RecordType.A),), 2.0)
    assert answer.status is DnsStatus.TEMPERROR
    assert answer.detail == "look-ups are switched off"


async def test_no_name_server_named_is_switched_off() -> None:
    metrics = declare(CollectorRegistry(), "test")
    async with open_resolver(" ", clock=SystemClock(), metrics=metrics) as resolver:
        assert isinstance(resolver, NoResolver)


def test_the_one_in_memory_keeps_what_was_asked() -> None:
    resolver = ZoneResolver(RECORDS)
    question = DnsQuestion("example.org", RecordType.MX)
    resolver.answer((question, question))
    assert resolver.asked == [question, question]


def test_aliases_in_a_circle_end() -> None:
    resolver = ZoneResolver({}, {"a.example": "b.example", "b.example": "a.example"})
    (answer,) = resolver.answer((DnsQuestion("a.example", RecordType.A),))
    assert answer.status is DnsStatus.TEMPERROR
