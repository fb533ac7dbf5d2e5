"""gRPC over a unix socket, on the store in memory."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mailweir.quarantine.v1 import quarantine_pb2 as pb, quarantine_pb2_grpc
from mailweir_quarantine.adapters.events import mail_from, progress_from, record_from
from mailweir_quarantine.policy.search import MAX_IDS
from mailweir_quarantine.service import CHUNK_BYTES, QuarantineService
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.rpc import RpcFailed, RpcFailure, call, open_channel, serve, stream
from mailweir_runtime.sql import SqlUnavailable
from mailweir_testkit.events import NOW, envelope, held_mail, judged, progress, ref_of
from mailweir_testkit.runtime import running_runtime

World = Any  # tests/conftest.py
Stub = Any  # quarantine_pb2_grpc.QuarantineServiceStub of an aio channel


@pytest_asyncio.fixture
async def stub(world: World, tmp_path: Path) -> AsyncIterator[Stub]:
    service = QuarantineService(world.store, world.releases, world.bus.bodies, world.metrics)
    async with running_runtime("quarantine") as rt:
        register = lambda server: quarantine_pb2_grpc.add_QuarantineServiceServicer_to_server(  # noqa: E731
            service, server
        )
        async with serve(rt, f"unix:{tmp_path}/q.sock", register) as target:
            rt.ready()
            async with open_channel(target) as channel:
                yield quarantine_pb2_grpc.QuarantineServiceStub(channel)


async def hold(world: World, number: int, content: bytes = b"Subject: x\r\n\r\nbody\r\n") -> str:
    ref = ref_of(number)
    event = judged(ref, action="hold", reason="spam", score=9.0, subject="Buy now")
    await world.store.record([record_from(event.SerializeToString())])
    body = await world.bus.bodies.put(f"held/{ref}", content)
    mail = mail_from(held_mail(ref, content).SerializeToString())
    await world.store.hold([mail.held(body, "s0")], NOW)
    return ref


async def test_search_shows_what_a_list_shows(world: World, stub: Stub) -> None:
    refs = [await hold(world, n) for n in range(3)]
    page = await call(stub.Search, pb.SearchRequest(limit=2, state="held"), timeout=5)
    assert [item.id for item in page.items] == [refs[2], refs[1]]
    assert page.items[0] == pb.MessageSummary(
        id=refs[2], received_at=NOW, client_ip="192.0.2.1", helo="mail.example.net",
        sender="anna@example.net", recipients=["bob@example.com"], subject="Buy now", bytes=2000,
        score=9.0, action="hold", reason="spam", state="held",
    )  # fmt: skip
    rest = await call(stub.Search, pb.SearchRequest(limit=2, cursor=page.next), timeout=5)
    assert [item.id for item in rest.items] == [refs[0]]
    assert rest.next == ""


@pytest.mark.parametrize(
    "request_",
    [
        pb.SearchRequest(cursor="nonsense"),
        pb.SearchRequest(state="HELD"),
        pb.SearchRequest(action="x"),
    ],
)
async def test_a_filter_that_is_wrong_is_invalid(stub: Stub, request_: pb.SearchRequest) -> None:
    with pytest.raises(RpcFailed) as failure:
        await call(stub.Search, request_, timeout=5)
    assert failure.value.kind is RpcFailure.INVALID
    assert ":" in failure.value.detail


async def test_get_explains(world: World, stub: Stub) -> None:
    event = judged(ref_of(1))
    await world.store.record([record_from(event.SerializeToString())])
    await world.store.track([progress_from(progress(ref_of(1)).SerializeToString())], NOW)
    found = await call(stub.Get, pb.GetRequest(id=ref_of(1)), timeout=5)
    assert found.summary.state == "delivered"
    assert found.judged == event
    assert found.delivery == progress(ref_of(1))


async def test_get_of_nothing_is_empty(stub: Stub) -> None:
    found = await call(stub.Get, pb.GetRequest(id=ref_of(1)), timeout=5)
    assert not found.HasField("summary")


async def test_a_damaged_record_still_has_its_summary(world: World, stub: Stub) -> None:
    record = record_from(judged(ref_of(1)).SerializeToString())
    broken = type(record)(record.facts, record.kind, record.subject, (), b"garbage")
    await world.store.record([broken])
    found = await call(stub.Get, pb.GetRequest(id=ref_of(1)), timeout=5)
    assert found.summary.id == ref_of(1)
    assert not found.HasField("judged")


async def test_get_before_the_record_has_no_judgement(world: World, stub: Stub) -> None:
    await world.store.track([progress_from(progress(ref_of(1)).SerializeToString())], NOW)
    found = await call(stub.Get, pb.GetRequest(id=ref_of(1)), timeout=5)
    assert not found.HasField("judged")
    assert found.HasField("delivery")


async def source_of(stub: Stub, ref: str) -> list[bytes]:
    answers = stream(stub.Source, pb.SourceRequest(id=ref), timeout=5)
    return [answer.chunk async for answer in answers]


async def test_the_source_comes_in_pieces_and_whole(world: World, stub: Stub) -> None:
    content = bytes(range(256)) * (CHUNK_BYTES // 100)
    ref = await hold(world, 1, content)
    pieces = await source_of(stub, ref)
    assert max(len(piece) for piece in pieces) <= CHUNK_BYTES
    assert len(pieces) > 2
    assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(content).digest()


async def test_no_source_without_a_body(world: World, stub: Stub) -> None:
    assert await source_of(stub, ref_of(9)) == []
    ref = await hold(world, 1)
    await call(stub.Delete, pb.DeleteRequest(ids=[ref], actor="test"), timeout=5)
    assert await source_of(stub, ref) == []


async def test_release_and_delete_answer_for_each_id(world: World, stub: Stub) -> None:
    one, two = await hold(world, 1), await hold(world, 2)
    released = await call(
        stub.Release, pb.ReleaseRequest(ids=[one, ref_of(9), one], actor="test"), timeout=5
    )
    assert [(r.id, r.state, r.done, bool(r.detail)) for r in released.results] == [
        (one, "released", True, False),
        (ref_of(9), "", False, True),
        (one, "released", True, False),
    ]
    deleted = await call(stub.Delete, pb.DeleteRequest(ids=[two, one], actor="test"), timeout=5)
    assert [(r.id, r.state, r.done) for r in deleted.results] == [
        (two, "deleted", True),
        (one, "released", False),
    ]
    assert world.value("releases_total") == 1
    assert world.value("deletions_total") == 1
    assert world.value("releases_handed_over_total") == 1


async def test_too_many_ids_are_refused(stub: Stub) -> None:
    ids = [ref_of(n) for n in range(MAX_IDS + 1)]
    with pytest.raises(RpcFailed) as failure:
        await call(stub.Release, pb.ReleaseRequest(ids=ids), timeout=5)
    assert failure.value.kind is RpcFailure.INVALID
    with pytest.raises(RpcFailed):
        await call(stub.Delete, pb.DeleteRequest(ids=ids), timeout=5)


async def test_stats(world: World, stub: Stub) -> None:
    await hold(world, 1)
    stats = await call(stub.Stats, pb.StatsRequest(), timeout=5)
    assert dict(stats.by_state) == {"held": 1}
    assert dict(stats.by_action) == {"hold": 1}


async def test_a_database_that_is_away_is_unavailable(world: World, stub: Stub) -> None:
    world.store.outage = SqlUnavailable("secret path /var/lib")
    calls = (
        (stub.Search, pb.SearchRequest(), "query"),
        (stub.Get, pb.GetRequest(id=ref_of(1)), "query"),
        (stub.Stats, pb.StatsRequest(), "query"),
        (stub.Release, pb.ReleaseRequest(ids=[ref_of(1)]), "command"),
        (stub.Delete, pb.DeleteRequest(ids=[ref_of(1)]), "command"),
    )
    for method, request, _ in calls:
        with pytest.raises(RpcFailed) as failure:
            await call(method, request, timeout=5)
        assert failure.value.kind is RpcFailure.UNAVAILABLE
        assert failure.value.detail == "the database does not answer"
    with pytest.raises(RpcFailed):
        await source_of(stub, ref_of(1))
    assert world.value("sql_errors_total", operation="query") == 4
    assert world.value("sql_errors_total", operation="command") == 2


async def test_a_body_store_that_is_away_is_unavailable(world: World, stub: Stub) -> None:
    ref = await hold(world, 1)
    world.bus.outage = BusUnavailable("away")
    with pytest.raises(RpcFailed) as failure:
        await source_of(stub, ref)
    assert failure.value.kind is RpcFailure.UNAVAILABLE


async def test_hostile_ids_are_just_unknown(stub: Stub) -> None:
    hostile = ["", "x" * 10_000, "'; DROP TABLE messages; --", "\0", "../../etc/passwd"]
    answer = await call(stub.Release, pb.ReleaseRequest(ids=hostile), timeout=5)
    assert [(result.done, result.state) for result in answer.results] == [(False, "")] * 5
    for each in hostile:
        assert not (await call(stub.Get, pb.GetRequest(id=each), timeout=5)).HasField("summary")
        assert await source_of(stub, each) == []


async def test_recipients_that_a_page_shows_are_the_accepted_ones(world: World, stub: Stub) -> None:
    ref = ref_of(1)
    event = judged(ref, of=envelope(ref, recipients=["a@example.com"]))
    event.refused.add(address="b@example.com", action="reject", reason="unknown-recipient")
    await world.store.record([record_from(event.SerializeToString())])
    page = await call(stub.Search, pb.SearchRequest(recipient="b@"), timeout=5)
    assert [list(item.recipients) for item in page.items] == [["a@example.com"]]
