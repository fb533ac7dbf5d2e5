"""Dashboards as Grafana reads them (schema 39: Grafana 10.4 and later)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mailweir_cli.monitoring.query import Query

WIDTH: Final = 24
ACROSS: Final = 3
HEIGHT: Final = 8
ERROR_ONLY: Final = "Empty until it happens: "
"""How the description of a panel begins that has no data while all is well."""
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A question and the queries that answer it.

    `budget`: what the values should stay under, drawn as a line. `error_only`: why there is no data while
    all is well. `kind`: Grafana's name of the panel.
    """

    question: str
    queries: tuple[Query, ...]
    unit: str = "short"
    budget: float | None = None
    kind: str = "timeseries"
    stacked: bool = False
    error_only: str = ""
    note: str = ""


def ask(question: str, *queries: Query | tuple[Query, ...], **more: Any) -> Panel:
    """Return a panel; queries may come one by one or as tuples."""
    flat: list[Query] = []
    for query in queries:
        flat += query if isinstance(query, tuple) else (query,)
    return Panel(question, tuple(flat), **more)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard. `pods` is a metric whose pods can be chosen from."""

    name: str
    title: str
    about: str
    pods: str
    rows: tuple[Row, ...]


def document(board: Board) -> dict[str, Any]:
    """Return Grafana's JSON of a dashboard."""
    return {
        "uid": f"mailweir-{board.name}",
        "title": board.title,
        "description": board.about,
        "tags": ["mailweir"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [_link()],
        "templating": {"list": _variables(board)},
        "annotations": {"list": []},
        "panels": list(_laid_out(board)),
    }


def text(board: Board) -> str:
    """Return the file's text."""
    return json.dumps(document(board), indent=1, ensure_ascii=False) + "\n"


def _link() -> dict[str, Any]:
    return {
        "type": "dashboards", "tags": ["mailweir"], "title": "Mailweir", "asDropdown": True,
        "includeVars": True, "keepTime": True, "targetBlank": False,
    }  # fmt: skip


def _variables(board: Board) -> list[dict[str, Any]]:
    source = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }
    return [
        source,
        _choice("namespace", f"label_values({board.pods}, namespace)"),
        _choice("pod", f'label_values({board.pods}{{namespace=~"$namespace"}}, pod)'),
    ]


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name, "label": name, "type": "query", "datasource": _SOURCE,
        "query": {"query": query, "refId": name}, "definition": query,
        "includeAll": True, "multi": True, "refresh": 2, "sort": 1,
        "current": {"text": ["All"], "value": ["$__all"]},
    }  # fmt: skip


def _laid_out(board: Board) -> Iterator[dict[str, Any]]:
    """Yield rows and panels, three panels across, ids counted up."""
    number, top = 0, 0
    for row in board.rows:
        number += 1
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": place,
               "collapsed": False, "panels": []}  # fmt: skip
        top += 1
        for index, panel in enumerate(row.panels):
            number += 1
            yield _panel(panel, number, index % ACROSS, top + index // ACROSS * HEIGHT)
        top += -(-len(row.panels) // ACROSS) * HEIGHT


def _panel(panel: Panel, number: int, column: int, top: int) -> dict[str, Any]:
    width = WIDTH // ACROSS
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.question,
        "description": f"{ERROR_ONLY}{panel.error_only}" if panel.error_only else panel.note,
        "datasource": _SOURCE,
        "gridPos": {"h": HEIGHT, "w": width, "x": column * width, "y": top},
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query.expression,
             "legendFormat": query.legend, "range": True}
            for index, query in enumerate(panel.queries)
        ],
    }  # fmt: skip


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.budget is not None:
        steps.append({"color": "red", "value": panel.budget})
    custom: dict[str, Any] = {"lineWidth": 1, "fillOpacity": 30 if panel.stacked else 5}
    if panel.stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    if panel.budget is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
    return {
        "unit": panel.unit,
        "min": 0 if panel.kind == "timeseries" else None,
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": custom if panel.kind == "timeseries" else {},
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {"reduceOptions": reduce, "orientation": "horizontal"}
