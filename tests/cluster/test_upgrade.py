"""Upgrade, restart of everything and rollback under load: nothing lost, nothing twice, no client sent away.

Clients do what mail servers do: after 421 or 4xx they come again. Those replies are counted; any other end
of a transaction that is not 250 fails the test, as does a connection that breaks without a word.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mailweir_testkit.cluster import courier
from mailweir_testkit.cluster.books import settled
from mailweir_testkit.cluster.figures import Figures
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.release import OutsideSink, Release
from mailweir_testkit.cluster.tool import source
from mailweir_testkit.load import Plan
from mailweir_testkit.reckoning import Reckoning

RATE = 20.0
UPGRADE_SECONDS = 180
ROLLBACK_SECONDS = 90
AGAIN_SECONDS = 150.0
"""So long after its last letter a courier still tries."""
SETTLE_SECONDS = 60.0
CLIENTS = 250
WORDS = 24
"""So much of a reply says what it is."""


def restart_everything(release: Release) -> None:
    """Restart every workload of the release, all at once, NATS too; returns when all are done."""
    label = ("-l", f"app.kubernetes.io/instance={release.name}")
    kinds = "deployments,statefulsets"
    release.kubectl("rollout", "restart", kinds, *label)
    for kind in kinds.split(","):
        for found in release.cluster.objects(kind, "-n", release.namespace, *label):
            name = f"{kind}/{found['metadata']['name']}"
            release.kubectl("rollout", "status", name, "--timeout=180s")


def under_load(
    release: Release, files: Path, seconds: int, name: str, change: Callable[[], object]
) -> tuple[courier.Sent, float]:
    """Send at the rate for so many seconds while `change` is made; returns the fates and its duration."""
    letters = wanted(int(seconds * RATE), name=name)
    plan = Plan(
        release.mx, 25, rate=RATE, per_connection=5, retry_seconds=1.0,
        give_up_seconds=seconds + AGAIN_SECONDS,
        sources=tuple(source(400 + n) for n in range(CLIENTS)),
    )  # fmt: skip
    with courier.sending(release.cluster, plan, letters, files) as sending:
        time.sleep(5)
        begun = time.monotonic()
        change()
        took = time.monotonic() - begun
        return sending.result(), took


def put_off(sent: courier.Sent) -> Counter[str]:
    """Count what letters were told before they were taken, by code."""
    return Counter(reply[:WORDS] for fate in sent.fates for reply in fate.earlier)


def ended(sent: courier.Sent) -> Counter[str]:
    """Count connections that did not end by QUIT, by what was said last."""
    found: Counter[str] = Counter()
    for words, count in sent.troubles.items():
        found[words[:WORDS]] += count
    return found


def shown(counts: Counter[str]) -> str:
    return ", ".join(f"{count} × {words}" for words, count in counts.items()) or "none"


def judge(sent: courier.Sent, made: Reckoning) -> None:
    """Assert that all is there once, and that nobody was told anything but to come again."""
    assert all(fate.taken for fate in sent.fates), Counter(
        fate.reply for fate in sent.fates if not fate.taken
    )
    assert made.balanced, f"{made}; twice: {dict(made.doubled)}"
    told = put_off(sent) + ended(sent)
    wrong = {words: count for words, count in told.items() if not words.startswith("4")}
    assert wrong == {}, f"turned away without a word to come again: {wrong}"


@pytest.mark.timeout(900)
def test_upgrade_restart_and_rollback_lose_nothing(
    release: Release, hop: OutsideSink, files: Path, figures: Figures, changed_images: str
) -> None:
    rows = []
    heading = ("what", "took, s", "mails", "put off", "connections ended", "lost", "twice")

    def upgrade_and_restart() -> None:
        release.apply({"image": {"tag": changed_images}})
        restart_everything(release)

    for what, seconds, change in (
        ("upgrade, then restart of all", UPGRADE_SECONDS, upgrade_and_restart),
        ("rollback", ROLLBACK_SECONDS, release.rollback),
    ):
        sent, took = under_load(release, files, seconds, what.split()[0].strip(","), change)
        made = settled(release, hop, sent.fates, SETTLE_SECONDS)
        told = (shown(put_off(sent)), shown(ended(sent)))
        rows.append((what, f"{took:.0f}", made.taken, *told, len(made.lost), len(made.doubled)))
        figures.add(f"Changes under {RATE:g} mails a second", heading, rows)
        judge(sent, made)
    used = {image for pod in release.pods("ingress") for image in _images(pod)}
    assert all(image.endswith(f":{release.values['image']['tag']}") for image in used), used


def _images(pod: dict[str, dict[str, list[dict[str, str]]]]) -> list[str]:
    return [container["image"] for container in pod["spec"]["containers"]]
