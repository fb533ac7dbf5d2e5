"""Pods are killed while mail comes, of every kind, NATS and the database too: nothing that got 250 is lost.

Every ten seconds one pod is deleted with a grace period of 0, for five minutes. Clients do what mail servers
do: they come again. A message may arrive twice where a delivery was cut between the next hop's word and ours.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from mailweir_testkit.cluster import courier, sql
from mailweir_testkit.cluster.books import settled
from mailweir_testkit.cluster.figures import Figures
from mailweir_testkit.cluster.killing import Kill, Killing, longest_gap
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.release import OutsideSink, Release, installed, merged
from mailweir_testkit.cluster.tool import SERVICES, Cluster, source
from mailweir_testkit.cluster.values import small
from mailweir_testkit.load import Fate, Plan

NAMESPACE = "kills"
KINDS = (*SERVICES, "nats", "postgres")
SECONDS = 300.0
EVERY_SECONDS = 10.0
RATE = 10.0
AGAIN_SECONDS = 180.0
"""So long after its last letter a courier still tries."""
SETTLE_SECONDS = 150.0
CLIENTS = 50
TWO = {"replicas": 2}
ROOT = Path(__file__).resolve().parents[2]


def values(tag: str, hop: OutsideSink) -> dict[str, object]:
    """Return two pods of each service, one NATS, and a PostgreSQL that is not the chart's."""
    ours = {"services": dict.fromkeys(SERVICES, TWO), "sql": {"existingSecret": sql.SECRET}}
    return merged(small(tag, hop.url), ours)


@pytest.mark.timeout(1200)
def test_nothing_is_lost_while_pods_are_killed(
    cluster: Cluster, images: str, hop: OutsideSink, files: Path, figures: Figures
) -> None:
    sql.install(cluster, NAMESPACE)
    chart = ROOT / "helm" / "mailweir"
    made = Release(cluster, chart, values(images, hop), files, NAMESPACE, NAMESPACE)
    with installed(made) as release:
        plan = Plan(
            release.mx, 25, rate=RATE, per_connection=5, retry_seconds=1.0,
            give_up_seconds=SECONDS + AGAIN_SECONDS,
            sources=tuple(source(700 + n) for n in range(CLIENTS)),
        )  # fmt: skip
        letters = wanted(int(SECONDS * RATE), name="kills")
        with courier.sending(cluster, plan, letters, files) as sending:
            kills = killing(release).run(SECONDS, EVERY_SECONDS)
            sent = sending.result()
        books = settled(release, hop, sent.fates, SETTLE_SECONDS)
        figures.add(
            f"Pods killed every {EVERY_SECONDS:g} s under {RATE:g} mails a second",
            (
                "kind",
                "killed",
                "whole again, s (median)",
                "(longest)",
                "longest time without a 250, s",
            ),
            rows(kills, sent.fates),
        )
        told = Counter(reply[:9] for fate in sent.fates for reply in fate.earlier)
        figures.add(
            "What came of the mail meanwhile",
            ("mails", "taken", "lost", "twice", "put off", "connections cut or refused"),
            [
                (
                    len(sent.fates), books.taken, len(books.lost), len(books.doubled),
                    sum(told.values()), sent.troubles.total(),
                )
            ],
        )  # fmt: skip
        assert books.lost == (), books
        assert books.altered == (), books
        assert books.nameless == 0, books
        assert books.unrecorded == (), books
        untaken = Counter(fate.reply for fate in sent.fates if not fate.taken)
        assert not untaken, untaken
    assert {kill.kind for kill in kills} == set(KINDS)
    assert [kill for kill in kills if kill.back is None] == []


def killing(release: Release) -> Killing:
    """Return what kills pods of the release."""
    where = ("-n", release.namespace)

    def delete(name: str) -> str:
        return release.kubectl("delete", "pod", name, "--grace-period=0", "--wait=false")

    return Killing(lambda: release.cluster.objects("pods", *where), delete, KINDS)


def rows(kills: Sequence[Kill], fates: Sequence[Fate]) -> list[tuple[object, ...]]:
    """Return the table of recovery, by kind."""
    accepted = [fate.accepted_at for fate in fates if fate.taken]
    by_kind: dict[str, list[Kill]] = defaultdict(list)
    for kill in kills:
        by_kind[kill.kind].append(kill)
    found: list[tuple[object, ...]] = []
    for kind in KINDS:
        of_kind = by_kind[kind]
        back = [kill.back for kill in of_kind if kill.back is not None] or [float("nan")]
        gaps = [longest_gap(accepted, k.at, k.at + EVERY_SECONDS) for k in of_kind] or [0.0]
        middle, longest = statistics.median(back), max(back)
        found.append((kind, len(of_kind), f"{middle:.0f}", f"{longest:.0f}", f"{max(gaps):.1f}"))
    return found
