"""A botnet comes at five times what one pod bears: pods come and go, and known senders hardly notice.

Each of the two services that scale has a limit of CPU here, so that what one pod bears is the same on any
machine, and more pods bear more. Known senders are known by their past alone: they sent some mails before.
The log of the run is left in `build/flood.json`, its picture in `build/flood.svg` (docs/flood.svg is one).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mailweir_testkit.builders import mail_of_size
from mailweir_testkit.cluster import botnet, courier, plot
from mailweir_testkit.cluster.botnet import MAIL_BYTES, Row, flooding
from mailweir_testkit.cluster.figures import Figures
from mailweir_testkit.cluster.floodlog import Log, Pods, p95, watched, windows, within
from mailweir_testkit.cluster.release import OutsideSink, Release, installed, merged
from mailweir_testkit.cluster.tool import Cluster, source
from mailweir_testkit.cluster.values import small
from mailweir_testkit.load import Letter, Plan
from mailweir_testkit.processes import wait_until

NAMESPACE = "flood"
ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CPU = {"ingress": "250m", "scoring": "200m"}
"""The limit of each pod of the services that scale."""
TIMES = 5.0
FULLEST = 3
"""Most pods of each."""
GOOD = range(100, 140)
PROBES = range(200, 240)
BOTS = range(1000, 31_000)
GOOD_RATE = 3.0
WARM_UP = (10.0, 20.0)
"""Rate and seconds: five mails of each known sender."""
PROBE_SECONDS = 20.0
PROBE_CONNECTIONS = 12
QUIET_SECONDS = 25.0
"""After which nothing that was measured before leads to more pods."""
IDLE_SECONDS = 45.0
FLOOD_SECONDS = 120.0
SETTLE_SECONDS = 10.0
BACK_SECONDS = 420.0
POLICY = {
    "relay": {
        "domains": [{"name": "example.com", "recipients": "list", "addresses": ["bob@example.com"]}]
    },
    "edge": {"wait": {"seconds": 2}},
    "reputation": {"history": {"least_messages": 3}},
    "session": {"shedding": {"lag_seconds": 0.015, "answer_seconds": 0.08}},
    # The botnet's 30,000 addresses are all in 120 networks here; out there they are not.
    "ratelimit": {"intrusion": {"widen_after": 0}},
}
SCALED = {
    "mode": "hpa", "min": 1, "max": FULLEST, "cpuPercent": 60, "scaleDownWindowSeconds": 30,
}  # fmt: skip


@pytest.fixture(scope="module")
def flooded(cluster: Cluster, images: str, hop: OutsideSink, files: Path) -> Iterator[Release]:
    promised = {"services": {name: {"resources": {"requests": {"cpu": "100m"}}} for name in CPU}}
    values = merged(merged(small(images, hop.url), promised), {"policy": POLICY})
    made = Release(cluster, ROOT / "helm" / "mailweir", values, files, NAMESPACE, NAMESPACE)
    with installed(made) as release:
        for service, limit in CPU.items():
            name = f"deployment/{release.object(service)}"
            release.kubectl("set", "resources", name, "-c", service, f"--limits=cpu={limit}")
            release.kubectl("rollout", "status", name, "--timeout=180s")
        yield release


def borne(release: Release, files: Path) -> float:
    """Return the mails a second that one pod of each takes of strangers who come as they please."""
    letters = [
        Letter(f"probe-{n}", "anna@spam.example", ("bob@example.com",), mail_of_size(MAIL_BYTES, n % 20))
        for n in range(2000)
    ]  # fmt: skip
    plan = Plan(
        release.mx, 25, connections=PROBE_CONNECTIONS, per_connection=2, give_up_seconds=PROBE_SECONDS,
        sources=tuple(source(n) for n in PROBES),
    )  # fmt: skip
    sent = courier.send(release.cluster, plan, letters, files)
    # the first connections wait for their banner, as strangers do
    moments = sorted(fate.accepted_at for fate in sent.fates if fate.taken)
    half = moments[len(moments) // 2 :]
    return len(half) / (half[-1] - half[0])


@contextmanager
def good_senders(release: Release, files: Path, rate: float, seconds: float) -> Iterator[Path]:
    """Have known senders send for so many seconds; at the block's end they have been waited for."""
    record = files / f"good-{seconds:.0f}.jsonl"
    options = {"rate": rate, "seconds": seconds, "sources": GOOD}
    with flooding(release.cluster, "good", release.mx, record, **options) as process:  # type: ignore[arg-type]  # as they are
        yield record
        assert process.wait(seconds + botnet.GIVE_UP_SECONDS) == 0


def few(pods: Pods) -> bool:
    """Say whether there is one pod of each again."""
    return all(pods.now(service) == 1 for service in CPU)


def run(
    release: Release, files: Path, rate: float
) -> tuple[Pods, Sequence[Row], Sequence[Row], tuple[float, float]]:
    """Have the botnet come beside known senders; returns pods, bots, good mails, and when the flood was."""
    record = files / "bots.jsonl"
    with watched(release, tuple(CPU)) as pods:
        seconds = IDLE_SECONDS + FLOOD_SECONDS + SETTLE_SECONDS
        with good_senders(release, files, GOOD_RATE, seconds) as good:
            time.sleep(IDLE_SECONDS)
            begun = time.monotonic()
            options = {"rate": rate, "seconds": FLOOD_SECONDS, "sources": BOTS}
            with flooding(release.cluster, "bots", release.mx, record, **options) as process:  # type: ignore[arg-type]  # as they are
                assert process.wait(FLOOD_SECONDS + 3 * botnet.PATIENCE_SECONDS) == 0
        with suppress(TimeoutError):  # how many there are then is looked at with all the rest
            wait_until(lambda: few(pods), BACK_SECONDS, "one pod of each again", pause=2.0)
    flood = (begun, begun + FLOOD_SECONDS)
    return pods, botnet.read(record), botnet.read(good), flood


@pytest.mark.timeout(1500)
def test_known_senders_hardly_notice_a_flood(
    flooded: Release, hop: OutsideSink, files: Path, figures: Figures
) -> None:
    with good_senders(flooded, files, *WARM_UP):
        pass
    one_bears = borne(flooded, files)
    time.sleep(QUIET_SECONDS)
    flooded.apply({"services": {name: {"autoscaling": SCALED} for name in CPU}})
    start = time.monotonic()
    pods, bots, good, flood = run(flooded, files, TIMES * one_bears)
    idle = (start, flood[0])
    took = {
        name: p95([row.took for row in within(good, span) if row.taken])
        for name, span in (("idle", idle), ("flood", flood))
    }
    log = Log(
        f"{TIMES * one_bears:.0f} bots a second, {TIMES:g} times what one pod of each bears",
        (0.0, idle[1] - start),
        (flood[0] - start, flood[1] - start),
        took["idle"],
        took["flood"],
        windows(bots, good, pods, start, time.monotonic()),
    )
    log.write(BUILD / "flood.json")
    (BUILD / "flood.svg").write_text(plot.drawn(log))
    report(figures, one_bears, pods, bots, good, took)
    assert all(row.taken for row in good), [row for row in good if not row.taken][:5]
    refs = {row.ref for row in good}
    wait_until(lambda: refs <= {mail.ref for mail in hop.mails}, 90, "mail of known senders", 2.0)
    assert pods.most("ingress") >= 3
    assert pods.most("scoring") >= 3
    assert few(pods), pods.looks[-1]
    assert took["flood"] <= 3 * took["idle"], took


def report(
    figures: Figures,
    one_bears: float,
    pods: Pods,
    bots: Sequence[Row],
    good: Sequence[Row],
    took: dict[str, float],
) -> None:
    """Note what came of it."""
    late = sum(row.tries > 1 for row in good)
    figures.add(
        f"A botnet at {TIMES:g} times what one pod bears",
        (
            "one pod bears, mails/s", "bots/s", "most pods (ingress, scoring)", "known: mails",
            "came again", "p95 idle, ms", "p95 in the flood, ms",
        ),
        [
            (
                f"{one_bears:.1f}", f"{len(bots) / FLOOD_SECONDS:.0f}",
                f"{pods.most('ingress')}, {pods.most('scoring')}", len(good), late,
                f"{took['idle'] * 1000:.0f}", f"{took['flood'] * 1000:.0f}",
            )
        ],
    )  # fmt: skip
