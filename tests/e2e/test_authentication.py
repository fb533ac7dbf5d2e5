"""Authentication and lists in the running product, with a name server of the test's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
import pytest_asyncio

from mailweir_mail.auth.dkim import KeyType, SigningKey, make_private_key, sign, txt_record
from mailweir_testkit.builders import mail
from mailweir_testkit.dns import DnsServer, Misbehaviour, dns_server
from mailweir_testkit.load import Fate, Letter, Plan, deliver
from mailweir_testkit.product import Product, product
from mailweir_testkit.sink import Sink, sink

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("product"),
    pytest.mark.asyncio(loop_scope="module"),
]

PARSER = BytesParser(policy=policy.SMTP)
KEY = SigningKey("example.net", "s1", make_private_key(KeyType.ED25519))
ZONES = {
    "example.net": f"""
@              300 IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc         300 IN TXT "v=DMARC1; p=reject"
s1._domainkey  300 IN TXT "{txt_record(KEY.key)}"
""",
    "strict.example": """
@              300 IN TXT "v=spf1 -all"
_dmarc         300 IN TXT "v=DMARC1; p=reject"
""",
    "example.com": """
_dmarc         300 IN TXT "v=DMARC1; p=reject"
""",
    "uri.bl.example": "bad.example 300 IN A 127.0.0.2",
    "full.bl.example": "bad.example 300 IN A 127.255.255.254",
}
LISTS = [
    {
        "name": name,
        "zone": f"{name}.bl.example",
        "kinds": ["domain"],
        "checks": ["urls"],
        "score": 7.0,
        "display": f"The {name} list",
    }
    for name in ("uri", "full")
]


@dataclass(frozen=True)
class Stage:
    product: Product
    sink: Sink
    dns: DnsServer

    async def send(self, content: bytes, sender: str) -> Fate:
        host, port = self.product.address("smtp")
        letter = Letter("x", sender, ("bob@example.com",), content)
        (fate,) = await deliver(Plan(host, port, 1), [letter])
        return fate

    async def record(self, ref: str) -> dict[str, Any]:
        """Return a record once the verdict is in it; that a mail is held can be known before."""
        async with asyncio.timeout(30):
            while True:
                with self.product.client() as client:
                    answer = await asyncio.to_thread(client.get, f"/messages/{ref}")
                if answer.status_code == 200 and answer.json()["judged_at"]:
                    found: dict[str, Any] = answer.json()
                    return found
                await asyncio.sleep(0.1)

    async def signals(self, ref: str) -> dict[str, float]:
        return {s["name"]: s["score"] for s in (await self.record(ref))["signals"]}

    async def arrived(self, ref: str) -> EmailMessage:
        async with asyncio.timeout(30):
            while not (found := [m for m in self.sink.mails if m.ref == ref]):
                await asyncio.sleep(0.05)
        assert found[0].content is not None
        parsed = PARSER.parsebytes(found[0].content)
        assert isinstance(parsed, EmailMessage)
        return parsed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with dns_server(ZONES) as dns, sink() as target:
        running = product(
            tmp_path_factory.mktemp("auth") / "data",
            "--no-samples",
            "--next-hop", f"smtp://{target.address[0]}:{target.address[1]}",
            "--dns", dns.address,
            "--set", f"scoring.lists.zones={json.dumps(LISTS)}",
            # what content scoring finds out is looked at here; at the door none of these domains takes mail
            "--set", "reputation.look_up_names=false",
        )  # fmt: skip
        made = await asyncio.to_thread(running.__enter__)
        try:
            yield Stage(made, target, dns)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def test_a_good_sender_is_told_to_be_one(stage: Stage) -> None:
    raw = mail("signed")
    fate = await stage.send(sign(raw, KEY, 1_756_720_800.0) + raw, "anna@example.net")
    assert fate.reply.startswith("250 2.0.0")
    told = (await stage.arrived(fate.ref))["Authentication-Results"]
    assert "spf=pass" in told
    assert "dkim=pass" in told
    assert "dmarc=pass" in told
    assert (await stage.signals(fate.ref)).keys() >= {"SPF_PASS", "DKIM_VALID", "DMARC_PASS"}


async def test_what_a_domain_wants_refused_weighs(stage: Stage) -> None:
    raw = mail("posing", sender="Anna <anna@strict.example>")
    fate = await stage.send(raw, "anna@strict.example")
    signals = await stage.signals(fate.ref)
    assert (signals["DMARC_REJECT"], signals["SPF_FAIL"]) == (2.0, 1.0)
    told = (await stage.arrived(fate.ref))["Authentication-Results"]
    assert "dmarc=fail" in told
    assert "header.from=strict.example" in told


async def test_our_own_domain_from_outside_is_refused(stage: Stage) -> None:
    raw = mail("posing as us", sender="The boss <boss@example.com>")
    fate = await stage.send(raw, "anyone@example.net")
    assert fate.reply.startswith("550 5.7.1")
    assert "OWN_DOMAIN_SPOOFED" in await stage.signals(fate.ref)


async def test_a_listed_link_counts_and_a_list_that_refuses_us_does_not(stage: Stage) -> None:
    raw = mail("link", "See http://www.bad.example/now\r\n")
    fate = await stage.send(raw, "anna@example.net")
    signals = await stage.signals(fate.ref)
    assert signals["LIST_URI"] == 7.0
    assert "LIST_FULL" not in signals
    assert stage.dns.asked("bad.example.uri.bl.example", "A") == 1
    again = await stage.send(mail("link", "http://bad.example/2\r\n"), "anna@example.net")
    assert "LIST_URI" in await stage.signals(again.ref)
    assert stage.dns.asked("bad.example.uri.bl.example", "A") == 1, "answers are kept"
    assert stage.dns.asked("bad.example.full.bl.example", "A") == 1, "it is muted"


async def test_name_servers_that_are_silent_hold_no_mail_up(stage: Stage) -> None:
    for name in ("slow.example", "_dmarc.slow.example"):
        stage.dns.misbehave(name, Misbehaviour.TIMEOUT)
    raw = mail("slow", sender="Anna <anna@slow.example>")
    async with asyncio.timeout(15):
        fate = await stage.send(raw, "anna@slow.example")
    assert fate.reply.startswith("250 2.0.0")
    assert "spf=temperror" in (await stage.arrived(fate.ref))["Authentication-Results"]


async def test_nobody_can_bring_our_results_along(stage: Stage) -> None:
    own = await stage.arrived((await stage.send(mail("own"), "anna@example.net")).ref)
    hostname = own["Authentication-Results"].partition(";")[0]
    forged = {"Authentication-Results": f"{hostname}; dmarc=pass header.from=bank.example"}
    fate = await stage.send(mail("forged", headers=forged), "anna@example.net")
    fields = (await stage.arrived(fate.ref)).get_all("Authentication-Results")
    assert fields is not None
    assert not any("bank.example" in value for value in fields)
