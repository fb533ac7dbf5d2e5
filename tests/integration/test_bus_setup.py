"""Setting the broker up: what is widened, what is refused, and what each refusal says."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.client import Client

from mailweir_runtime.bus import nats as nats_bus
from mailweir_runtime.bus.nats import NatsBus
from mailweir_runtime.bus.ports import BusUnavailable, StoredBody
from mailweir_runtime.bus.topology import JUDGED, PASSES, RATES, judged_subject
from mailweir_runtime.lifecycle import StartupError
from mailweir_testkit.nats import NatsServer, connected_bus, running_server

pytestmark = pytest.mark.integration


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with running_server() as running:
        yield running


@pytest.fixture
async def admin(server: NatsServer) -> AsyncIterator["Admin"]:
    client = Client()
    await client.connect(server.url)
    yield Admin(client)
    await client.close()


class Admin:
    """Somebody who changes the broker by hand."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, subject: str, request: object = None) -> dict[str, Any]:
        body = b"" if request is None else json.dumps(request).encode()
        answer: dict[str, Any] = json.loads(
            (await self._client.request(f"$JS.API.{subject}", body, timeout=5)).data
        )
        assert "error" not in answer, answer["error"]
        return answer

    async def config(self, stream: str) -> dict[str, Any]:
        config: dict[str, Any] = (await self.ask(f"STREAM.INFO.{stream}"))["config"]
        return config


async def test_a_second_start_changes_nothing(server: NatsServer, admin: Admin) -> None:
    async with connected_bus(server.url):
        before = [await admin.config(name) for name in ("MAIL", "KV_config", "OBJ_bodies")]
        consumer = (await admin.ask("CONSUMER.INFO.MAIL.deliverer"))["config"]
    async with connected_bus(server.url):
        after = [await admin.config(name) for name in ("MAIL", "KV_config", "OBJ_bodies")]
        assert (await admin.ask("CONSUMER.INFO.MAIL.deliverer"))["config"] == consumer
    assert before == after


async def test_what_an_admin_raised_stays(server: NatsServer, admin: Admin) -> None:
    async with connected_bus(server.url) as bus:
        await bus.publish(judged_subject("s0", "a"), b"x")
    year = 365 * 86_400 * 10**9
    config = await admin.config("JUDGED")
    await admin.ask(
        "STREAM.UPDATE.JUDGED",
        {**config, "max_age": year, "subjects": ["mailweir.*.judged.>", "mailweir.*.extra.>"]},
    )
    async with connected_bus(server.url) as bus:
        config = await admin.config("JUDGED")
        assert config["max_age"] == year
        assert "mailweir.*.extra.>" in config["subjects"]
        assert await bus.last(JUDGED, judged_subject("s0", "a")) == b"x"


async def test_what_is_too_narrow_is_widened(server: NatsServer, admin: Admin) -> None:
    await admin.ask(
        "STREAM.CREATE.JUDGED",
        {
            "name": "JUDGED",
            "subjects": ["mailweir.s0.judged.v1.old"],
            "storage": "file",
            "discard": "new",
            "max_age": 10**9 * 600,
        },
    )
    async with connected_bus(server.url) as bus:
        await bus.publish(judged_subject("s0", "a"), b"x")
        assert (await admin.config("JUDGED"))["max_age"] == 7 * 86_400 * 10**9


async def test_a_consumer_is_brought_up_to_date(server: NatsServer, admin: Admin) -> None:
    async with connected_bus(server.url):
        config = (await admin.ask("CONSUMER.INFO.MAIL.deliverer"))["config"]
    changed = {**config, "max_ack_pending": 7, "ack_wait": 10**9}
    request = {"stream_name": "MAIL", "config": changed, "action": "update"}
    await admin.ask(f"CONSUMER.CREATE.MAIL.deliverer.{config['filter_subject']}", request)
    async with connected_bus(server.url):
        assert (await admin.ask("CONSUMER.INFO.MAIL.deliverer"))["config"] == config


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"name": "MAIL", "subjects": ["mailweir.*.mail.>"]}, "retention=limits"),
        (
            {
                "name": "MAIL",
                "subjects": ["mailweir.*.mail.>"],
                "retention": "workqueue",
                "storage": "memory",
                "discard": "new",
            },
            "storage=memory",
        ),
        ({"name": "SOMEBODYS", "subjects": ["mailweir.>"]}, "overlap"),
    ],
)
async def test_what_is_in_the_way_is_named_and_left(
    server: NatsServer, admin: Admin, config: dict[str, Any], words: str
) -> None:
    await admin.ask(f"STREAM.CREATE.{config['name']}", config)
    before = await admin.config(config["name"])
    with pytest.raises(StartupError, match=words) as caught:
        async with connected_bus(server.url):
            pass
    assert "\n" not in str(caught.value)
    assert await admin.config(config["name"]) == before


async def test_an_older_bucket_learns_of_ends_by_key(server: NatsServer, admin: Admin) -> None:
    older = {
        "name": "KV_passes",
        "subjects": ["$KV.passes.>"],
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "allow_direct": True,
        "deny_delete": True,
    }
    await admin.ask("STREAM.CREATE.KV_passes", older)
    async with connected_bus(server.url) as bus:
        bucket = await bus.bucket(PASSES)
        await bucket.put("a", b"1", ttl_seconds=1.0)
        seen = bucket.watch()
        assert (await anext(seen)).value == b"1"
        async with asyncio.timeout(8):
            assert (await anext(seen)).value is None


async def test_a_bucket_that_is_on_disk_stays_there(server: NatsServer, admin: Admin) -> None:
    older = {
        "name": "KV_rates",
        "subjects": ["$KV.rates.>"],
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "deny_delete": True,
    }
    await admin.ask("STREAM.CREATE.KV_rates", older)
    async with connected_bus(server.url) as bus:
        bucket = await bus.bucket(RATES)
        await bucket.put("a", b"1", ttl_seconds=60.0)
        assert [e and e.value for e in await bucket.get_many(["a"])] == [b"1"]
        assert (await admin.config("KV_rates"))["storage"] == "file"


async def test_an_old_server_is_refused(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_bus, "MIN_VERSION", (99, 1))
    with pytest.raises(StartupError, match=r"older than 99\.1"):
        async with connected_bus(server.url):
            pass


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "nats://127.0.0.1:1,wss://u:secret@host:1"])
async def test_other_protocols_are_refused(url: str) -> None:
    with pytest.raises(StartupError, match="nats:// and tls:// only") as caught:
        async with connected_bus(url):
            pass
    assert "secret" not in str(caught.value)


async def test_a_password_is_not_told(server: NatsServer) -> None:
    url = server.url.replace("nats://", "nats://user:secret@").replace(str(server.port), "1")
    with pytest.raises(StartupError, match=r"nats://127\.0\.0\.1:1: ") as caught:
        async with connected_bus(url, connect_seconds=0.3):
            pass
    assert "secret" not in str(caught.value)


@pytest.fixture
async def body(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[NatsBus, StoredBody]]:
    monkeypatch.setattr("mailweir_runtime.bus.bodies.BODY_SECONDS", 0.8)
    async with connected_bus(server.url) as bus:
        yield bus, await bus.bodies.put("mail/a", b"a" * 1_500_000)


async def test_a_body_with_a_piece_missing_is_never_half_returned(
    body: tuple[NatsBus, StoredBody], admin: Admin
) -> None:
    bus, _ = body
    await admin.ask("STREAM.MSG.DELETE.OBJ_bodies", {"seq": 2})
    with pytest.raises(BusUnavailable, match="whole"):
        await bus.bodies.get("mail/a")
    assert bus.metrics.body_failures._value.get() == 1


async def test_a_body_with_a_wrong_piece_is_never_returned(
    body: tuple[NatsBus, StoredBody], admin: Admin
) -> None:
    bus, _ = body
    first = await admin.ask("STREAM.MSG.GET.OBJ_bodies", {"seq": 1})
    wire = await bus._link.wire(1.0)
    await wire.ask(first["message"]["subject"], b"b" * 451_424, b"", 5.0)
    await admin.ask("STREAM.MSG.DELETE.OBJ_bodies", {"seq": 2})
    with pytest.raises(BusUnavailable, match="whole"):
        await bus.bodies.get("mail/a")


async def test_metadata_that_cannot_be_read_is_an_error_not_an_absence(
    body: tuple[NatsBus, StoredBody],
) -> None:
    bus, _ = body
    wire = await bus._link.wire(1.0)
    header = b"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n"
    for broken in (
        b"",
        b"[]",
        b"{}",
        b'{"name":"mail/a","nuid":"x","size":1,"chunks":1,"digest":"MD5=x"}',
    ):
        await wire.ask("$O.bodies.M.bWFpbC9h", broken, header, 5.0)
        with pytest.raises(BusUnavailable, match="metadata"):
            await bus.bodies.get("mail/a")
