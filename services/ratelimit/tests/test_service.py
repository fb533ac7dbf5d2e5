"""gRPC over a unix socket, on the bus in memory and on a real one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailweir.ratelimit.v1 import ratelimit_pb2 as pb, ratelimit_pb2_grpc
from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.record import Listener, Session
from mailweir_ratelimit.app import build, registering
from mailweir_ratelimit.metrics import declare
from mailweir_ratelimit.service import MOST_RECIPIENTS
from mailweir_ratelimit.settings import Settings
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.convert import client_to_proto, session_to_proto
from mailweir_runtime.rpc import RpcFailed, RpcFailure, call, open_channel, serve
from mailweir_testkit.events import ref_of
from mailweir_testkit.nats import connected_bus, nats_server
from mailweir_testkit.runtime import running_runtime

Config = Any  # tests/conftest.py
Stub = Any  # ratelimit_pb2_grpc.RatelimitServiceStub of an aio channel


@pytest.fixture(params=["bus", pytest.param("nats", marks=pytest.mark.integration)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "bus":
        yield MemoryBus()
        return
    async with nats_server() as url, connected_bus(url) as connected:
        yield connected


@pytest.fixture
async def stub(bus: Bus, config: Config, tmp_path: Path) -> AsyncIterator[Stub]:
    async with running_runtime("ratelimit") as rt:
        settings = Settings(batch_items=10)
        house = await build(bus, config, rt.clock, declare(rt.registry), settings)
        async with serve(rt, f"unix:{tmp_path}/r.sock", registering(house)) as target:
            rt.ready()
            async with open_channel(target) as channel:
                yield ratelimit_pb2_grpc.RatelimitServiceStub(channel)


def item(phase: str, ip: str = "192.0.2.1", user: str = "", **fields: Any) -> pb.CheckItem:
    session = Session("s", Listener.MX, ip, auth_user=user)
    client = fields.pop("client", ClientFacts())
    return pb.CheckItem(
        phase=getattr(pb, f"CHECK_PHASE_{phase}"),
        session=session_to_proto(session),
        client=client_to_proto(client),
        **fields,
    )


async def check(stub: Stub, *items: pb.CheckItem) -> list[pb.CheckResult]:
    response = await call(stub.Check, pb.CheckRequest(items=items), timeout=5)
    return list(response.results)


def sent(number: int, user: str = "ann@example.com", recipients: int = 1) -> pb.CheckItem:
    people = [f"u{n}@example.net" for n in range(recipients)]
    return item("MESSAGE", user=user, sender=user, ref=ref_of(number), recipients=people, bytes=10)


async def test_a_batch_is_answered_in_order(stub: Stub) -> None:
    results = await check(
        stub,
        item("CONNECT"),
        item("RCPT", sender="a@b.c", recipients=["x@example.com", "y@example.com"]),
        item("UNSPECIFIED"),
        sent(1),
        item("CONNECT", "127.0.0.1"),
    )
    assert [len(result.recipients) for result in results] == [0, 2, 0, 0, 0]
    assert [result.outcome.check for result in results] == ["ratelimit"] * 5
    assert results[2].outcome.detail == "a phase that is not known"
    assert results[4].outcome.detail == "exempt"


async def test_connections_by_class(stub: Stub, config: Config) -> None:
    one = {"name": "c", "unit": "connections", "by": ["ip"], "count": 10, "seconds": 3600}
    config.change(limits=[one])
    bad = item("CONNECT", client=ClientFacts(client_class=ClientClass.BAD))
    results = [(await check(stub, bad))[0].outcome for _ in range(4)]
    assert [result.advice for result in results] == ["none", "none", "close", "close"]
    assert results[2].detail.startswith("2 connections an hour from 192.0.2.1, next in ")
    assert results[2].reason == "rate-limited"


async def test_too_many_items_are_refused(stub: Stub) -> None:
    with pytest.raises(RpcFailed) as failure:
        await check(stub, *[item("CONNECT")] * 11)
    assert failure.value.kind is RpcFailure.INVALID


async def test_too_many_recipients_are_refused(stub: Stub) -> None:
    many = item("RCPT", sender="a@b.c", recipients=["x@example.com"] * (MOST_RECIPIENTS + 1))
    with pytest.raises(RpcFailed) as failure:
        await check(stub, many)
    assert failure.value.kind is RpcFailure.INVALID


async def test_usage_and_held(stub: Stub, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 2, "recipients": 50}})
    results = await check(stub, *[sent(n, recipients=3) for n in range(4)])
    assert [result.outcome.advice for result in results] == ["none", "none", "hold", "hold"]
    assert results[3].outcome.reason == "over-outbound-limit"
    answer = await call(stub.ListUsage, pb.ListUsageRequest(), timeout=5)
    rows = {(row.subject, row.unit): row for row in answer.entries}
    messages = rows["ann@example.com", "messages"]
    assert (messages.kind, messages.used, messages.limit, messages.held) == ("user", 2, 2, 2)
    assert messages.source == "ratelimit.outbound.default_user"
    assert messages.next_at > 0
    recipients = rows["ann@example.com", "recipients"]
    assert (recipients.used, recipients.limit, recipients.next_at) == (6, 50, 0)
    domain = rows["example.com", "messages"]
    assert (domain.kind, domain.used, domain.limit, domain.held) == ("domain", 2, 0, 2)


async def test_buckets(stub: Stub) -> None:
    await check(stub, *[item("CONNECT")] * 6)
    answer = await call(stub.ListBuckets, pb.ListBucketsRequest(subject="192.0.2.1"), timeout=5)
    states = {state.limit: state for state in answer.buckets}
    connections = states["connections"]
    assert (connections.key, connections.unit) == ("192.0.2.1", "connections")
    assert 5 < connections.used <= 6
    assert connections.capacity == 60
    assert connections.empty_at > 0
    assert (states["recipients"].key, states["recipients"].used) == ("192.0.2.0/24", 0)


@pytest.mark.parametrize(
    ("subject", "limits"),
    [
        ("192.0.2.0/24", {"recipients"}),
        ("192.0.2.9/32", {"recipients"}),
        ("2001:db8::1", {"connections", "recipients"}),
        ("example.com", set()),
        ("ann@example.com", set()),
        ("", set()),
    ],
)
async def test_buckets_of_a_subject(stub: Stub, subject: str, limits: set[str]) -> None:
    answer = await call(stub.ListBuckets, pb.ListBucketsRequest(subject=subject), timeout=5)
    assert {state.limit for state in answer.buckets} == limits


@pytest.mark.parametrize("bus", ["bus"], indirect=True)
async def test_while_the_bus_is_away_mail_passes_and_admins_are_told(stub: Stub, bus: Any) -> None:
    bus.outage = BusUnavailable("away")
    results = await check(stub, item("CONNECT"), sent(1))
    assert [result.outcome.advice for result in results] == ["none", "none"]
    assert {result.outcome.status for result in results} == {3}  # TEMPERROR
    for method, request in (
        (stub.ListUsage, pb.ListUsageRequest()),
        (stub.ListBuckets, pb.ListBucketsRequest(subject="192.0.2.1")),
    ):
        with pytest.raises(RpcFailed) as failure:
            await call(method, request, timeout=5)
        assert failure.value.kind is RpcFailure.UNAVAILABLE
