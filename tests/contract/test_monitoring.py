"""Dashboards and alerts ask for what is declared: names, labels and their values."""

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from mailweir_cli.monitoring.alert import RUNBOOKS
from mailweir_cli.monitoring.board import ERROR_ONLY
from mailweir_cli.monitoring.files import files
from mailweir_cli.monitoring.query import SERVICES
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.config import ConfigMetrics
from mailweir_runtime.metrics import RuntimeMetrics
from mailweir_runtime.rpc.interceptors import ServerMetrics

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "mailweir"
DASHBOARDS = sorted(CHART.glob("dashboards/*.json"))
ALERTS = sorted(CHART.glob("alerts/*.yaml"))
MIB = 2**20
EVERYWHERE = {"namespace", "pod"}
"""Labels that a target has, beside those of its metrics."""
MADE = {"service"}
"""Labels that an alert makes for itself."""
ROWS = {
    "Traffic", "Errors", "Latency against budget", "Saturation", "Verdict mix and reasons",
    "Degraded dependencies", "Queue lag", "Versions run",
}  # fmt: skip
_NAME = re.compile(r"\b((?:mailweir|process)_[a-z0-9_]+)\b(?!\s*=|!)(?:\{([^}]*)\})?")
_FAMILY = re.compile(r'__name__=~"([^"]*)"')
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_BY = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


@dataclass
class Declared:
    """Labels and, where a series is there from the start, their values."""

    labels: set[str] = field(default_factory=set)
    values: dict[str, set[str]] = field(default_factory=dict)


@cache
def declared() -> dict[str, Declared]:
    """Return every series that some service serves, by its name."""
    found: dict[str, Declared] = {}
    for service in SERVICES:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        RuntimeMetrics(service, "1", "i", registry)
        ServerMetrics(service, registry)
        BusMetrics(registry)
        ConfigMetrics(registry)
        importlib.import_module(f"mailweir_{service}.metrics").declare(registry)
        for collector in registry._collector_to_names:  # no public way to label names
            for name in series_of(collector):
                labels = found.setdefault(name, Declared()).labels
                labels |= {*getattr(collector, "_labelnames", ())}
                labels |= {"le"} if name.endswith("_bucket") else set()
        for family in registry.collect():
            for sample in family.samples:
                one = found.setdefault(sample.name, Declared())
                for label, value in sample.labels.items():
                    one.labels.add(label)
                    one.values.setdefault(label, set()).add(value)
    return found


def series_of(collector: Any) -> list[str]:
    """Return the names under which a metric is served."""
    name, kind = getattr(collector, "_name", ""), getattr(collector, "_type", "")
    match kind:
        case "counter":
            return [f"{name}_total"]
        case "histogram":
            return [f"{name}_{part}" for part in ("bucket", "count", "sum")]
        case _:
            return [name] if name else []


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each panel and where it is."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                yield f"{path.stem}: {panel['title']}", panel


def alerts() -> Iterator[dict[str, Any]]:
    """Yield each rule."""
    for path in ALERTS:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every expression and where it is."""
    for where, panel in panels():
        for target in panel["targets"]:
            yield where, target["expr"]
    for rule in alerts():
        yield rule["alert"], rule["expr"]


def faults(expression: str) -> Iterator[str]:
    """Yield what an expression asks for that nobody declares."""
    known = declared()
    allowed = EVERYWHERE | MADE | {"version"}
    for pattern in _FAMILY.findall(expression):
        if not any(re.fullmatch(pattern, name) for name in known):
            yield f"no name is like {pattern}"
    for name, matchers in _NAME.findall(
        _FAMILY.sub("", re.sub(r'"mailweir_[^"]*"', '""', expression))
    ):
        if name not in known:
            yield f"{name} is not declared"
            continue
        allowed |= known[name].labels
        yield from bad_matchers(name, known[name], matchers)
    for names in _BY.findall(expression):
        for label in filter(None, map(str.strip, names.split(","))):
            if label not in allowed:
                yield f"nothing asked for has the label {label}"


def bad_matchers(name: str, one: Declared, matchers: str) -> Iterator[str]:
    """Yield labels, and values of closed sets, that a metric does not have."""
    for label, operator, value in _MATCHER.findall(matchers):
        if label in EVERYWHERE:
            continue
        if label not in one.labels:
            yield f"{name} has no label {label}"
        values = one.values.get(label)
        if values and operator in ("=", "=~", "!="):
            for wanted in value.split("|"):
                if wanted not in values:
                    yield f"{name} never has {label}={wanted}"


def test_only_declared_names_labels_and_values_are_asked_for() -> None:
    wrong = [f"{where}: {fault}" for where, text in expressions() for fault in faults(text)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rate(mailweir_ingress_nothing_total[5m])", "is not declared"),
        ("sum by (colour) (mailweir_bus_lag_messages)", "has the label colour"),
        ('mailweir_bus_lag_messages{colour="red"}', "no label colour"),
        ('mailweir_ingress_messages_total{action="eaten"}', "never has action=eaten"),
        ('{__name__=~"mailweir_[a-z]+_nothing"}', "no name is like"),
    ],
)
def test_what_is_not_declared_is_found(expression: str, fault: str) -> None:
    assert any(fault in found for found in faults(expression))


def test_the_charts_files_are_the_ones_that_are_made() -> None:
    made = files()
    there = {str(p.relative_to(CHART)): p.read_text() for p in (*DASHBOARDS, *ALERTS)}
    assert there == made


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
def test_a_dashboard_can_be_opened(path: Path) -> None:
    text = path.read_text()
    assert len(text.encode()) < MIB
    board = json.loads(text)
    identifiers = [panel["id"] for panel in board["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    assert board["uid"] == f"mailweir-{path.stem}"
    variables = {v["name"]: v["type"] for v in board["templating"]["list"]}
    assert variables == {"datasource": "datasource", "namespace": "query", "pod": "query"}
    for panel in board["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["targets"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_dashboard_has_every_row(service: str) -> None:
    board = json.loads((CHART / "dashboards" / f"{service}.json").read_text())
    titles = {panel["title"] for panel in board["panels"] if panel["type"] == "row"}
    assert titles == ROWS


def test_panels_do_not_lie_over_each_other() -> None:
    for path in DASHBOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text())["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + x, place["y"] + y)
                for x in range(place["w"])
                for y in range(place["h"])
            }
            assert not cells & taken, f"{path.stem}: {panel['title']}"
            assert place["x"] + place["w"] <= 24
            taken |= cells


def test_a_panel_is_titled_with_its_question() -> None:
    for where, panel in panels():
        assert "?" in panel["title"], where
        description = panel["description"]
        assert not description.startswith(ERROR_ONLY) or len(description) > len(ERROR_ONLY), where


def test_each_alert_has_its_page() -> None:
    pages = {path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    linked = set()
    for rule in alerts():
        name = rule["alert"]
        url = rule["annotations"]["runbook_url"]
        assert url == f"{RUNBOOKS}{name}.md"
        assert rule["labels"]["severity"] in {"page", "ticket"}
        linked.add(url.removeprefix(RUNBOOKS))
        text = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert headings == [name, "Look", "Do", "Over"]
        assert f"[{name}](runbooks/{name}.md)" in (ROOT / "docs" / "monitoring.md").read_text()
    assert pages == linked, "a page for each alert, and an alert for each page"


def test_links_between_the_pages_lead_somewhere() -> None:
    folder = ROOT / "docs" / "runbooks"
    for path in folder.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert (folder / target).is_file(), f"{path.name}: {target}"
