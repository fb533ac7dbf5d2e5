"""Walks dashboards and alerts against a Prometheus: which panels and which series have no data.

ask = partial(over_http, "http://127.0.0.1:9090")
empty = empty_panels(chart / "dashboards", ask)
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

ERROR_ONLY: Final = "Empty until"
"""How the description of a panel begins that may be empty while all is well."""
WINDOW: Final = "2m"
_SELECTOR: Final = re.compile(
    r'\b(?:mailweir|process)_[a-z0-9_]+\b(?!\s*=|!)(?:\{[^}]*\})?|\{__name__=~"[^}]*\}'
)
_DURATION: Final = re.compile(r"(\[|offset |for: )(\d+)([smhd])(\]?)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Sample = Mapping[str, Any]
Ask = Callable[[str], list[Sample]]
"""A query to what it answers at present."""


class QueryRefused(Exception):
    """Raised when Prometheus cannot make sense of a query."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel that was asked."""

    board: str
    title: str
    error_only: bool
    empty: tuple[str, ...]
    """The queries without data."""

    def __str__(self) -> str:
        """Return one line for a test's output."""
        return f"{self.board}: {self.title} {self.empty}"


def over_http(base: str, query: str) -> list[Sample]:
    """Ask a Prometheus by its address; raises QueryRefused."""
    reply = httpx2.post(f"{base}/api/v1/query", data={"query": query}, timeout=30, trust_env=False)
    return result(reply.text)


def result(text: str) -> list[Sample]:
    """Return the samples in Prometheus' answer; raises QueryRefused."""
    answer = json.loads(text)
    if answer["status"] != "success":
        raise QueryRefused(str(answer.get("error")))
    return list(answer["data"]["result"])


def filled_in(expression: str, namespace: str = ".*", window: str = WINDOW) -> str:
    """Return a panel's expression as Grafana would send it with everything chosen."""
    text = expression.replace("$__rate_interval", window)
    return text.replace("$namespace", namespace).replace("$pod", ".+")


def has_data(samples: list[Sample]) -> bool:
    """Say whether one sample is a number."""
    return any(not math.isnan(float(sample["value"][1])) for sample in samples)


def panels(folder: Path, ask: Ask, namespace: str = ".*", window: str = WINDOW) -> Iterator[Panel]:
    """Ask every panel of every dashboard."""
    for path in sorted(folder.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] == "row":
                continue
            queries = [filled_in(t["expr"], namespace, window) for t in panel["targets"]]
            empty = tuple(query for query in queries if not has_data(ask(query)))
            may = panel["description"].startswith(ERROR_ONLY)
            yield Panel(path.stem, panel["title"], may, empty)


def alerts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and expression of every alert."""
    for path in sorted(folder.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])


def blind_alerts(folder: Path, ask: Ask) -> Iterator[str]:
    """Yield alerts with a series that is not there, and so would not fire; each expression is asked too."""
    for name, expression in alerts(folder):
        ask(expression)
        for selector in _SELECTOR.findall(expression):
            if not ask(selector):
                yield f"{name}: {selector}"


def hurried(rules: str, times: float, least_seconds: int = 10) -> str:
    """Return rules whose windows and waits are so many times shorter, for a test to see them fire and clear.

    No window gets under `least_seconds`: it must hold several scrapes.
    """

    def shorter(found: re.Match[str]) -> str:
        before, number, unit, after = found.groups()
        seconds = float(number) * _SECONDS[unit] / times
        least = 0 if before.startswith("for") else least_seconds
        return f"{before}{max(round(seconds), least)}s{after}"

    return _DURATION.sub(shorter, rules)
