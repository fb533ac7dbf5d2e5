"""What our users submit leaves signed, and what others sent leaves sealed: over real SMTP."""

from pathlib import Path
from typing import Any

import dkim
import pytest

from mailweir_core.asking import drive
from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_mail.auth.arc import ArcStatus, validate
from mailweir_mail.auth.dkim import (
    DkimStatus,
    KeyType,
    load_private_key,
    make_private_key,
    to_pem,
    txt_record,
    verify,
)
from mailweir_testkit.zones import Zones

MakeGate = Any  # see conftest.py

ANNA = {"anna@example.com": ("secret", "anna@example.com", "@shop.example")}
CONTENT = (
    b"From: Anna <anna@example.com>\r\nTo: x@elsewhere.example\r\nSubject: Lunch\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nAt noon?\r\n\r\n..\r\n"
)
RESULTS = "mx.example.com; spf=pass smtp.mailfrom=example.net; arc=none"
KEYS = (("rsa", KeyType.RSA), ("ed", KeyType.ED25519))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with two keys of example.com."""
    directory = tmp_path_factory.mktemp("keys")
    (directory / "example.com").mkdir()
    for selector, type_ in KEYS:
        file = directory / "example.com" / f"{selector}.pem"
        file.touch(0o600)
        file.write_bytes(to_pem(make_private_key(type_)))
    return directory


@pytest.fixture(scope="module")
def zones(keys: Path) -> Zones:
    """Return the DNS in which they are published."""
    return Zones(
        {
            f"{file.stem}._domainkey.{file.parent.name}": {
                "TXT": [txt_record(load_private_key(file.read_bytes()))]
            }
            for file in keys.glob("*/*.pem")
        }
    )


def by_dkimpy(zones: Zones) -> Any:
    """Return the zones as dkimpy asks them."""

    def answer(name: bytes, timeout: int = 5) -> bytes:
        zone: Any = zones.table.get(name.decode().rstrip("."), {})
        return "".join(zone.get("TXT", [])).encode()

    return answer


async def submit(g: Any, content: bytes, sender: str = "anna@example.com") -> bytes:
    """Send as Anna; returns what was kept."""
    client = await g.submitter()
    assert (await client.log_in("anna@example.com", "secret")).code == 235
    await client.begin("x@elsewhere.example", sender=sender)
    await client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    assert (await client.reply()).code == 250
    kept: bytes = g.mails()[-1].content
    return kept


async def test_a_users_mail_verifies_here_and_with_another_program(
    gate: MakeGate, keys: Path, zones: Zones
) -> None:
    async with gate(accounts=ANNA, keys=keys) as g:
        kept = await submit(g, CONTENT)
        results = drive(verify(kept, g.rt.clock.now()), zones.answer)
        assert [(r.result, r.domain, r.selector) for r in results] == [
            (DkimStatus.PASS, "example.com", "ed"),
            (DkimStatus.PASS, "example.com", "rsa"),
        ]
        for nth in (0, 1):
            assert dkim.DKIM(kept).verify(nth, dnsfunc=by_dkimpy(zones))
        assert kept.endswith(CONTENT)
        assert g.sample("signatures_total", kind="dkim") == 2
        assert g.sample("signing_keys", state="usable") == 2


async def test_a_large_mail_is_signed_as_well(gate: MakeGate, keys: Path, zones: Zones) -> None:
    content = CONTENT + b"0123456789" * 7 + b"\r\n"
    content += b"".join(b"line %d\r\n" % n for n in range(20_000))
    async with gate(accounts=ANNA, keys=keys) as g:
        kept = await submit(g, content)
        results = drive(verify(kept, g.rt.clock.now()), zones.answer)
        assert [r.result for r in results] == [DkimStatus.PASS] * 2


async def test_from_in_another_domain_than_the_sender_is_not_vouched_for(
    gate: MakeGate, keys: Path
) -> None:
    async with gate(accounts=ANNA, keys=keys) as g:
        kept = await submit(g, CONTENT, sender="x@shop.example")
        assert b"DKIM-Signature" not in kept


async def test_signing_can_be_switched_off_while_running(gate: MakeGate, keys: Path) -> None:
    async with gate(accounts=ANNA, keys=keys) as g:
        assert b"DKIM-Signature" in await submit(g, CONTENT)
        g.swap(signing__enabled=False)
        assert b"DKIM-Signature" not in await submit(g, CONTENT)


async def test_trusted_networks_are_signed_for_and_strangers_are_not(
    gate: MakeGate, keys: Path, zones: Zones
) -> None:
    async with gate(keys=keys) as g:
        client = await g.greeted()
        assert (await client.deliver(CONTENT.replace(b"\r\n.", b"\r\n.."))).code == 250
        assert b"DKIM-Signature" not in g.mails()[-1].content
        g.swap(relay__trusted_networks=["127.0.0.0/8"])
        client = await g.greeted()
        assert (await client.deliver(CONTENT.replace(b"\r\n.", b"\r\n.."))).code == 250
        results = drive(verify(g.mails()[-1].content, g.rt.clock.now()), zones.answer)
        assert [r.result for r in results] == [DkimStatus.PASS] * 2


def judged(*headers: tuple[str, str]) -> Any:
    """Return a scorer's function that gives these headers."""
    return lambda _e, _r: ContentVerdict(Status.OK, Action.ACCEPT, Reason.CLEAN, 0.0, headers, ())


async def test_mail_of_others_is_sealed_with_our_results(
    gate: MakeGate, keys: Path, zones: Zones
) -> None:
    judge = judged(("Authentication-Results", RESULTS))
    async with gate(keys=keys, judge=judge, signing__seal_domain="example.com") as g:
        client = await g.greeted()
        assert (await client.deliver(CONTENT.replace(b"\r\n.", b"\r\n.."))).code == 250
        kept = g.mails()[-1].content
        chain = drive(validate(kept, g.rt.clock.now()), zones.answer)
        assert (chain.status, chain.instance, chain.sealers) == (
            ArcStatus.PASS,
            1,
            ("example.com",),
        )
        assert chain.results == (RESULTS,)
        assert g.sample("signatures_total", kind="arc") == 1


async def test_without_results_nothing_is_sealed(gate: MakeGate, keys: Path) -> None:
    async with gate(keys=keys, signing__seal_domain="example.com") as g:
        client = await g.greeted()
        await client.deliver(CONTENT.replace(b"\r\n.", b"\r\n.."))
        assert b"ARC-Seal" not in g.mails()[-1].content
