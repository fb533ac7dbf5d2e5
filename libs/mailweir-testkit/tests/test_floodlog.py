"""The log of a flood says what the rows say, and its picture is a picture of it."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mailweir_testkit.cluster import plot
from mailweir_testkit.cluster.botnet import Row
from mailweir_testkit.cluster.floodlog import Log, Pods, Window, load, p95, windows, within

REF = "01M8822HAGP2YC2YSJ90CHV12D-1"


def rows() -> tuple[list[Row], list[Row]]:
    """Return bots and good mails of 20 seconds that begin at 100."""
    bots = [
        Row("mail", 101, 1.0, "250 2.0.0", REF),
        Row("early", 102, 0.1, "554 5.5.1"),
        Row("mail", 103, 0.1, "421 4.3.2"),
        Row("mail", 103, 0.1, "broken"),
        Row("unsent", 104, 0.0, "unsent"),
        Row("early", 115, 0.1, "554 5.5.1"),
    ]
    good = [Row("good", 100 + n, 0.1 * (n + 1), "250 2.0.0", REF) for n in range(4)]
    return bots, [*good, Row("good", 105, 9.0, "421 4.3.2")]


def pods() -> Pods:
    """Return what was seen of pods."""
    return Pods([(99, {"ingress": 1}), (108, {"ingress": 3}), (118, {"ingress": 2})])


def test_windows_count_what_fell_due_in_them() -> None:
    bots, good = rows()
    first, second = windows(bots, good, pods(), 100, 120)
    assert (first.at, second.at) == (0, 10)
    assert (first.came, first.taken, first.later, first.refused, first.broken) == (
        0.5, 0.1, 0.1, 0.1, 0.2,
    )  # fmt: skip
    assert first.good == 0.4
    assert first.good_p50 == pytest.approx(0.25)
    assert first.ready == {"ingress": 1}
    assert (second.came, second.refused, second.good_p95) == (0.1, 0.1, None)
    assert second.ready == {"ingress": 3}


def test_spans_and_percentiles() -> None:
    bots, _ = rows()
    assert [row.at for row in within(bots, (102, 104))] == [102, 103, 103]
    assert p95([float(n) for n in range(1, 101)]) == pytest.approx(95.95)
    assert p95([3.0]) == 3.0
    assert p95([]) == 0.0


def test_pods_are_looked_up_by_time() -> None:
    seen = pods()
    assert [seen.at(t)["ingress"] for t in (0, 107, 108, 500)] == [1, 1, 3, 2]
    assert (seen.most("ingress"), seen.now("ingress"), seen.most("x")) == (3, 2, 0)
    assert Pods().at(1) == {}
    assert Pods().now("ingress") == 0


def a_log() -> Log:
    """Return a log."""
    bots, good = rows()
    return Log("5 bots & more", (0, 5), (5, 15), 0.1, 0.2, windows(bots, good, pods(), 100, 190))


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "log.json"
    a_log().write(path)
    assert load(path) == a_log()


def test_its_picture_has_every_line_and_is_well_formed(tmp_path: Path) -> None:
    path = tmp_path / "log.svg"
    path.write_text(plot.drawn(a_log()))
    root = ET.parse(path).getroot()
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    names = [line.name for panel in plot.panels(a_log()) for line in panel.lines]
    assert set(names) <= set(texts)
    assert "5 bots & more" in texts
    paths = [node.get("d") for node in root.iter() if node.tag.endswith("path")]
    assert len(paths) == len(names) == 9


def test_a_line_has_gaps_where_nothing_was_measured() -> None:
    line = plot.Line("x", [(0, 1.0), (1, None), (2, 3.0), (3, 4.0)])
    assert plot._path(line, lambda x: x, lambda y: y) == "M0 1.0 M2 3.0 L3 4.0"
    stepped = plot.Line("x", [(0, 1.0), (1, 2.0)], step=True)
    assert plot._path(stepped, lambda x: x, lambda y: y) == "M0 1.0 L1 1.0 L1 2.0"


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1), (3, 4), (5, 8), (9, 10), (120, 200), (0.3, 0.4), (0.08, 0.08)]
)
def test_scales_end_at_round_numbers(value: float, expected: float) -> None:
    assert plot._round_up(value) == pytest.approx(expected)


def test_an_empty_log_is_drawn_too() -> None:
    empty: list[Window] = []
    assert "<svg" in plot.drawn(Log("none", (0, 0), (0, 0), 0.0, 0.0, empty))
