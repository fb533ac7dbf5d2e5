"""What the services take: memory at rest and under load, seconds until ready, CPU for a message."""

import time
from collections import defaultdict
from pathlib import Path

from mailweir_testkit.cluster import courier
from mailweir_testkit.cluster.figures import (
    Figures,
    component,
    cpu_seconds,
    memory,
    start_to_ready,
)
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.release import OutsideSink, Release, eventually
from mailweir_testkit.cluster.tool import source
from mailweir_testkit.load import Plan

MESSAGES = 1200
RATE = 40.0
STEP_SECONDS = 5.0
"""How often memory is looked at; the metrics server measures every 10 s."""
SENDERS = 200


def by_service(release: Release, found: dict[str, int]) -> dict[str, int]:
    """Return the most that a pod of each service takes."""
    most: dict[str, int] = defaultdict(int)
    for pod in release.pods():
        name = pod["metadata"]["name"]
        most[component(pod)] = max(most[component(pod)], found.get(name, 0))
    return most


def measured(release: Release) -> dict[str, int]:
    """Return the memory by service once every pod has been measured."""
    found: dict[str, int] = {}

    def there() -> bool:
        found.update(memory(release))
        return {pod["metadata"]["name"] for pod in release.pods()} <= found.keys()

    eventually(there, 60, "a measurement of every pod")
    return by_service(release, found)


def test_memory_start_and_cpu(
    release: Release, hop: OutsideSink, files: Path, figures: Figures
) -> None:
    rest = measured(release)
    starts = {component(pod): start_to_ready(pod) for pod in release.pods()}
    before, arrived = cpu_seconds(release), len(hop.mails)
    plan = Plan(
        release.mx, 25, rate=RATE, per_connection=5, retry_seconds=1.0,
        sources=tuple(source(100 + n) for n in range(SENDERS)),
    )  # fmt: skip
    under: dict[str, int] = dict(rest)
    with courier.sending(release.cluster, plan, wanted(MESSAGES, name="figures"), files) as sent:
        while not sent.over:
            time.sleep(STEP_SECONDS)
            now = by_service(release, memory(release))
            under = {name: max(most, now.get(name, 0)) for name, most in under.items()}
        fates = sent.result().fates
    taken = sum(fate.taken for fate in fates)
    eventually(lambda: len(hop.mails) - arrived >= taken * 0.99, 60, "their arrival")
    used = {name: spent - before[name] for name, spent in cpu_seconds(release).items()}
    rows = [
        (
            name,
            rest[name],
            under[name],
            f"{starts[name]:.0f}",
            f"{taken / used[name]:.0f}" if used.get(name, 0) > 0 else "",
        )
        for name in sorted(rest)
    ]
    heading = (
        "pod",
        "MiB at rest",
        f"MiB at {RATE:g} mails/s",
        "start to ready, s",
        "mails per CPU s",
    )
    figures.add(f"Pods, {taken} mails of 4 kB by {SENDERS} clients", heading, rows)
    assert taken == MESSAGES, {fate.reply for fate in fates if not fate.taken}
