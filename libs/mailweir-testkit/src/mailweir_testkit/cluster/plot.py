"""Draws the log of a flood as SVG: pods, rates and latencies over the same seconds.

python -m mailweir_testkit.cluster.plot build/flood.json docs/flood.svg
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from mailweir_testkit.cluster.floodlog import Log, Window, load

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 900, 64, 190, 58, 170, 46
COLOURS: Final = ("#1b6ca8", "#c8553d", "#588b4b", "#8d5aa8", "#8a8a8a")
TICKS: Final = 4
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.h{font-weight:600}.s{fill:#666}"
    ".g{stroke:#ddd}.l{fill:none;stroke-width:2}"
)
Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel: its name, and its points; None is a gap."""

    name: str
    points: Points
    step: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over the same seconds, under the question that they answer."""

    title: str
    lines: Sequence[Line]
    unit: str = ""


def panels(log: Log) -> list[Panel]:
    """Return what is drawn of a log."""
    rows = log.windows

    def of(value: Callable[[Window], float | None]) -> Points:
        return [(row.at, value(row)) for row in rows]

    def pods(service: str) -> Points:
        return [(row.at, row.ready.get(service)) for row in rows]

    services = list(dict.fromkeys(name for row in rows for name in row.ready))
    limit: Points = (
        [(rows[0].at, 3 * log.idle_p95), (rows[-1].at, 3 * log.idle_p95)] if rows else []
    )
    return [
        Panel("How many pods are ready?", [Line(s, pods(s), step=True) for s in services]),
        Panel(
            "What becomes of the botnet, connections a second?",
            [
                Line("come", of(lambda w: w.came)),
                Line("mail taken", of(lambda w: w.taken)),
                Line("told to come again", of(lambda w: w.later)),
                Line("refused", of(lambda w: w.refused)),
                Line("broken", of(lambda w: w.broken)),
            ],
        ),
        Panel(
            "How long does mail of known senders take to its 250?",
            [
                Line("half of it", of(lambda w: w.good_p50)),
                Line("95 of 100", of(lambda w: w.good_p95)),
                Line("3 × idle", limit, dashed=True),
            ],
            " s",
        ),
    ]


def drawn(log: Log) -> str:
    """Return the picture."""
    made = panels(log)
    height = TOP + len(made) * (PANEL + GAP)
    end = max((row.at for row in log.windows), default=1.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(log.title)}</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="h" x="{LEFT}" y="24">{escape(log.title)}</text>',
        *(
            part
            for number, panel in enumerate(made)
            for part in _panel(panel, TOP + number * (PANEL + GAP), log.flood, end)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(panel: Panel, top: float, flood: tuple[float, float], end: float) -> Iterator[str]:
    highest = _round_up(max((v for line in panel.lines for _, v in line.points if v), default=1.0))

    def x(seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * seconds / end, 1)

    def y(value: float) -> float:
        return round(top + PANEL * (1 - value / highest), 1)

    begun, ended = x(flood[0]), x(min(flood[1], end))
    yield f'<rect x="{begun}" y="{top}" width="{ended - begun:.1f}" height="{PANEL}" fill="#f6efe2"/>'
    yield f'<text x="{LEFT}" y="{top - 8}">{escape(panel.title)}</text>'
    for tick in range(TICKS + 1):
        value = highest * tick / TICKS
        yield f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>'
        label = f"{value:g}{panel.unit}"
        yield f'<text class="s" x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{label}</text>'
    for minute in range(int(end // 60) + 1):
        where, under = x(minute * 60), top + PANEL + 16
        yield f'<text class="s" x="{where}" y="{under}" text-anchor="middle">{minute} min</text>'
    for number, line in enumerate(panel.lines):
        colour = COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        yield f'<path class="l" stroke="{colour}"{dash} d="{_path(line, x, y)}"/>'
        where = top + 14 + number * 18
        yield f'<text x="{WIDTH - RIGHT + 12}" y="{where}" style="fill:{colour}">{escape(line.name)}</text>'


def _path(line: Line, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """Return the path of a line; it is interrupted where there is no value."""
    parts: list[str] = []
    pen, before = "M", 0.0
    for seconds, value in line.points:
        if value is None:
            pen = "M"
            continue
        if line.step and pen == "L":
            parts.append(f"L{x(seconds)} {before}")
        before = y(value)
        parts.append(f"{pen}{x(seconds)} {before}")
        pen = "L"
    return " ".join(parts)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 8 times a power of ten that is not less: its quarters are short numbers."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value * 0.999)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description="Draw the log of a flood.")
    parser.add_argument("log", type=Path)
    parser.add_argument("svg", type=Path)
    options = parser.parse_args()
    options.svg.write_text(drawn(load(options.log)))


if __name__ == "__main__":
    main()
