"""A service that is left out by value, or is away: mail goes on, and what was not checked is named.

In the record, in the header of the message, and as a metric of the ingress. The header is read from a
message that is held, whose source REST gives out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailweir_cli.samples import load_samples
from mailweir_testkit.cluster import courier
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.release import OutsideSink, Release, eventually
from mailweir_testkit.cluster.tool import source
from mailweir_testkit.load import Fate, Letter, Plan

EDGE = ("reputation", "greylist", "ratelimit")
HELD = next(s.content for s in load_samples() if s.name == "12-executable")


@pytest.fixture(scope="module")
def restored(release: Release) -> Iterator[Release]:
    """The release, with its own values again at the end."""
    yield release
    release.apply({})


def send(release: Release, files: Path, letters: list[Letter], number: int) -> list[Fate]:
    plan = Plan(release.mx, 25, sources=(source(100 + number),))
    fates = courier.send(release.cluster, plan, letters, files).fates
    assert all(fate.taken for fate in fates), [fate.reply for fate in fates]
    return fates


def record(release: Release, ref: str, state: str) -> dict[str, Any]:
    """Return a message's record once it has a state."""
    found: dict[str, Any] = {}

    def there() -> bool:
        with release.api() as client:
            reply = client.get(f"/messages/{ref}")
        found.update(reply.json() if reply.status_code == 200 else {})
        return found.get("state") == state

    eventually(there, 60, f"{ref} {state}")
    return found


def checked(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return status and detail of a record's checks by the edge's services."""
    return {c["check"]: (c["status"], c["detail"]) for c in found["checks"] if c["check"] in EDGE}


def unchecked(release: Release, ref: str) -> str:
    """Return what a held message's header names, without the spaces."""
    with release.api() as client:
        content = client.get(f"/quarantine/{ref}/source").raise_for_status().content
    head = content.partition(b"\r\n\r\n")[0].decode()
    lines = [line for line in head.splitlines() if line.startswith("X-Mailweir-Unchecked:")]
    return "".join(lines).partition(":")[2].replace(" ", "")


def counted(release: Release, check: str, status: str) -> float:
    """Return a series of the ingress, over all its pods."""
    name = f'mailweir_ingress_checks_total{{check="{check}",status="{status}"}}'
    return sum(
        float(line.split()[-1])
        for pod in release.pods("ingress")
        for line in release.metrics(pod).splitlines()
        if line.startswith(name)
    )


@pytest.mark.parametrize("service", EDGE)
def test_a_service_that_is_left_out_is_named(
    restored: Release, hop: OutsideSink, files: Path, service: str
) -> None:
    restored.apply({"services": {service: {"enabled": False}}})
    assert restored.pods(service) == []
    before = counted(restored, service, "skipped")
    number = EDGE.index(service)
    clean, spam = send(
        restored,
        files,
        [
            *wanted(1, name=f"without-{service}"),
            Letter("held", "anna@example.net", ("bob@example.com",), HELD),
        ],
        number,
    )

    hop.wait_for(lambda m: m.ref == clean.ref)
    delivered = checked(record(restored, clean.ref, "delivered"))
    assert delivered[service] == ("skipped", "not deployed")
    assert all(delivered[other][1] != "not deployed" for other in EDGE if other != service)
    record(restored, spam.ref, "held")
    assert service in unchecked(restored, spam.ref).split(",")
    assert counted(restored, service, "skipped") >= before + 2
    with restored.api() as client:
        shown = {p["name"]: p["state"] for p in client.get("/services").json()}
        missing = {"reputation": "/dnslists", "greylist": "/greylist", "ratelimit": "/bans"}
        assert client.get(missing[service]).status_code == 503
    assert service not in shown
    assert "down" not in shown.values()


def test_a_service_that_is_away_is_named(restored: Release, hop: OutsideSink, files: Path) -> None:
    """Deployed and without a pod: its check fails, and by the default policy mail goes on."""
    restored.apply({})
    target = f"deployment/{restored.object('reputation')}"
    restored.kubectl("scale", target, "--replicas=0")
    try:
        eventually(lambda: not restored.pods("reputation"), 60, "no pod of reputation")
        before = counted(restored, "reputation", "temperror")
        (fate,) = send(restored, files, wanted(1, name="away"), 9)
        hop.wait_for(lambda m: m.ref == fate.ref)
        status, _ = checked(record(restored, fate.ref, "delivered"))["reputation"]
        assert status == "temperror"
        assert counted(restored, "reputation", "temperror") > before
    finally:
        restored.kubectl("scale", target, "--replicas=1")
        restored.kubectl("rollout", "status", target, "--timeout=120s")
