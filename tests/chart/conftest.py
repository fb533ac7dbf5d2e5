"""Renderings that several tests look at, each made once."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from helm_python.chart import Chart

from mailweir_testkit.chart.render import Rendered, load_values, render

CHART = Path(__file__).resolve().parents[2] / "helm" / "mailweir"
SCENARIOS = tuple(sorted(p.name.removesuffix("-values.yaml") for p in (CHART / "ci").iterdir()))


@pytest.fixture(scope="session")
def chart_directory() -> Path:
    return CHART


@pytest.fixture(scope="session")
def chart() -> Iterator[Chart]:
    with Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def scenarios(chart: Chart) -> dict[str, Rendered]:
    """Every `ci/*-values.yaml`, rendered."""

    @cache
    def made(name: str) -> Rendered:
        return render(chart, load_values(CHART / "ci" / f"{name}-values.yaml"))

    class Lazy(dict[str, Rendered]):
        def __missing__(self, name: str) -> Rendered:
            return made(name)

    return Lazy()


@pytest.fixture(params=SCENARIOS)
def rendered(request: pytest.FixtureRequest, scenarios: dict[str, Rendered]) -> Rendered:
    """Each scenario in turn."""
    return scenarios[request.param]


@pytest.fixture
def default(scenarios: dict[str, Rendered]) -> Rendered:
    return scenarios["default"]


@pytest.fixture
def ha(scenarios: dict[str, Rendered]) -> Rendered:
    return scenarios["ha"]
