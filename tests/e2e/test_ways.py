"""The ways a mail can take through the running product."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from typing import Any

import dkim
import pytest
import pytest_asyncio

from mailweir_cli.samples import load_samples
from mailweir_core.asking import drive
from mailweir_core.clock import SystemClock
from mailweir_mail.auth.dkim import (
    DkimStatus,
    KeyType,
    load_private_key,
    make_private_key,
    to_pem,
    txt_record,
    verify,
)
from mailweir_testkit.builders import mail
from mailweir_testkit.load import Fate, Letter, Plan, deliver
from mailweir_testkit.product import Product, product
from mailweir_testkit.sink import Caught, Manners, Sink, sink
from mailweir_testkit.zones import Zones

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("product"),
    pytest.mark.asyncio(loop_scope="module"),
]

PARSER = BytesParser(policy=policy.SMTP)
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
SPAM = next(s.content for s in load_samples() if s.name == "12-executable")


@dataclass(frozen=True)
class Stage:
    """A product whose next hop is a sink."""

    product: Product
    sink: Sink

    async def send(
        self, content: bytes, sender: str = "anna@example.net", to: str = "bob@example.com"
    ) -> Fate:
        host, port = self.product.address("smtp")
        (fate,) = await deliver(Plan(host, port, 1), [Letter("x", sender, (to,), content)])
        return fate

    async def record(self, ref: str, state: str) -> dict[str, Any]:
        """Return a record once it is there and has a state; word of a delivery can come before it."""
        async with asyncio.timeout(30):
            while True:
                with self.product.client() as client:
                    answer = await asyncio.to_thread(client.get, f"/messages/{ref}")
                found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
                if found.get("state") == state and found["action"]:
                    return found
                await asyncio.sleep(0.1)

    async def at_the_sink(self, ref: str) -> Caught:
        async with asyncio.timeout(30):
            while not (found := self.copies(ref)):
                await asyncio.sleep(0.05)
        return found[0]

    def copies(self, ref: str) -> list[Caught]:
        return [m for m in self.sink.mails if m.ref == ref]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    manners = Manners(refuse="^nobody@")
    async with sink(manners) as target:
        hop = f"smtp://{target.address[0]}:{target.address[1]}"
        data = tmp_path_factory.mktemp("ways") / "data"
        key = data / "dkim" / "example.com" / "s1.pem"
        key.parent.mkdir(parents=True)
        key.write_bytes(to_pem(make_private_key(KeyType.RSA)))
        running = product(data, "--no-samples", "--next-hop", hop)
        made = await asyncio.to_thread(running.__enter__)
        try:
            yield Stage(made, target)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def test_a_clean_mail_arrives_with_our_headers_on_top(stage: Stage) -> None:
    fate = await stage.send(mail("clean"))
    assert fate.reply.startswith("250 2.0.0")
    got = await stage.at_the_sink(fate.ref)
    assert got.content is not None
    head = PARSER.parsebytes(got.content)
    assert got.content.startswith(b"Received: from client.example.net")
    assert head["X-Mailweir-Id"] == fate.ref
    assert head["X-Spam-Flag"] == "NO"
    assert got.content.endswith(mail("clean"))
    record = await stage.record(fate.ref, "delivered")
    assert (record["action"], record["sender"], record["subject"]) == (
        "accept", "anna@example.net", "clean",
    )  # fmt: skip


async def test_gtube_is_refused_and_recorded_with_its_reason(stage: Stage) -> None:
    fate = await stage.send(mail("test", GTUBE))
    assert fate.reply.startswith("550 5.7.1")
    record = await stage.record(fate.ref, "refused")
    assert (record["action"], record["reason"]) == ("reject", "gtube")
    assert "GTUBE" in [s["name"] for s in record["signals"]]
    assert stage.copies(fate.ref) == []


async def test_spam_is_held_and_released_exactly_once(stage: Stage) -> None:
    fate = await stage.send(SPAM)
    assert fate.reply.startswith("250")
    await stage.record(fate.ref, "held")
    with stage.product.client() as client:
        source = client.get(f"/quarantine/{fate.ref}/source")
        assert SPAM in source.content
        for _ in range(3):  # asked three times, done once
            client.post(f"/quarantine/{fate.ref}/release")
    await stage.record(fate.ref, "delivered")
    await asyncio.sleep(1.0)
    (copy,) = stage.copies(fate.ref)
    assert copy.content is not None
    assert copy.content.endswith(SPAM)


async def test_deleted_mail_is_gone(stage: Stage) -> None:
    fate = await stage.send(SPAM)
    await stage.record(fate.ref, "held")
    with stage.product.client() as client:
        assert client.delete(f"/quarantine/{fate.ref}").status_code == 200
        assert client.get(f"/quarantine/{fate.ref}/source").status_code == 404
        assert client.post(f"/quarantine/{fate.ref}/release").status_code == 409
    await stage.record(fate.ref, "deleted")
    assert stage.copies(fate.ref) == []


async def test_a_user_submits_mail(stage: Stage) -> None:
    subject = "from a user of ours"
    got = await _submitted(stage, subject, mail(subject))
    assert b"DKIM-Signature" not in (got.content or b"")  # its From is somebody else's
    record = await stage.record(got.ref, "delivered")
    assert record["session"]["auth_user"] == "demo@example.com"
    assert record["session"]["listener"] == "submission"


async def test_what_a_user_submits_arrives_signed(stage: Stage) -> None:
    subject = "signed by our gateway"
    content = f"From: Demo <demo@example.com>\r\nSubject: {subject}\r\n\r\nhello\r\n.\r\n".encode()
    got = await _submitted(stage, subject, content)
    assert got.content is not None
    key = load_private_key((stage.product.data / "dkim/example.com/s1.pem").read_bytes())
    record = txt_record(key)
    zones = Zones({"s1._domainkey.example.com": {"TXT": [record]}})
    (result,) = drive(verify(got.content, SystemClock().now()), zones.answer)
    assert (result.result, result.domain) == (DkimStatus.PASS, "example.com"), result
    assert dkim.verify(got.content, dnsfunc=lambda _name, timeout=5: record.encode())


async def _submitted(stage: Stage, subject: str, content: bytes) -> Caught:
    """Send as the demo user; returns what the next hop got."""

    def submit() -> None:
        host, port = stage.product.address("submission")
        context = ssl.create_default_context(cafile=str(stage.product.data / "tls" / "cert.pem"))
        context.check_hostname = False  # the certificate names the gateway and localhost
        password = (stage.product.data / "demo.password").read_text().strip()
        with smtplib.SMTP(host, port, timeout=20) as client:
            client.starttls(context=context)
            client.login("demo@example.com", password)
            client.sendmail("demo@example.com", ["carl@example.com"], content)

    await asyncio.to_thread(submit)
    async with asyncio.timeout(20):
        while not any(subject.encode() in (m.content or b"") for m in stage.sink.mails):
            await asyncio.sleep(0.05)
    return next(m for m in stage.sink.mails if subject.encode() in (m.content or b""))


async def test_a_refusal_of_the_next_hop_becomes_a_notification(stage: Stage) -> None:
    fate = await stage.send(mail("for nobody"), sender="alice@example.com", to="nobody@example.com")
    assert fate.taken
    await stage.record(fate.ref, "bounced")
    async with asyncio.timeout(20):
        while not (
            found := [m for m in stage.sink.mails if m.recipients == ("alice@example.com",)]
        ):
            await asyncio.sleep(0.05)
    (notification,) = found
    assert notification.sender == ""
    report = PARSER.parsebytes(notification.content or b"")
    assert report.get_content_type() == "multipart/report"
    assert "nobody@example.com" in str(report)
    assert "5.1.1" in str(report)


async def test_a_new_policy_holds_without_a_restart(stage: Stage) -> None:
    pids = {name: p.pid for name, p in stage.product.processes().items()}
    with stage.product.client() as client:
        before = client.get("/config")
        changed = before.json()
        changed["relay"]["domains"] = [
            {"name": "example.com", "recipients": "list", "addresses": ["bob@example.com"]}
        ]
        answer = client.put("/config", json=changed, headers={"If-Match": before.headers["ETag"]})
        assert answer.status_code == 200
        stale = client.put("/config", json=changed, headers={"If-Match": before.headers["ETag"]})
        assert stale.status_code == 412
    async with asyncio.timeout(10):
        while not (fate := await stage.send(mail("x"), to="stranger@example.com")).refused:
            await asyncio.sleep(0.1)
    assert fate.reply.startswith("550 5.1.1")
    assert (await stage.send(mail("y"))).taken
    assert {name: p.pid for name, p in stage.product.processes().items()} == pids
    with stage.product.client() as client:
        client.put("/config", json=before.json()).raise_for_status()
