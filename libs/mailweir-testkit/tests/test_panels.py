"""Walking dashboards and alerts, against answers that are written here."""

import json
from pathlib import Path

import pytest

from mailweir_testkit.panels import (
    QueryRefused,
    Sample,
    blind_alerts,
    filled_in,
    has_data,
    hurried,
    panels,
    result,
)


def sample(value: str) -> Sample:
    return {"metric": {}, "value": [0, value]}


@pytest.mark.parametrize(
    ("values", "there"), [([], False), (["NaN"], False), (["NaN", "0"], True), (["1"], True)]
)
def test_data_is_a_number(values: list[str], there: bool) -> None:
    assert has_data([sample(value) for value in values]) is there


def test_everything_is_chosen() -> None:
    query = 'rate(x{namespace=~"$namespace",pod=~"$pod"}[$__rate_interval])'
    assert filled_in(query, "mail", "1m") == 'rate(x{namespace=~"mail",pod=~".+"}[1m])'


def test_a_refused_query_is_told() -> None:
    with pytest.raises(QueryRefused, match="parse error"):
        result('{"status": "error", "error": "parse error"}')


def test_panels_without_data_are_found(tmp_path: Path) -> None:
    board = {
        "panels": [
            {"type": "row", "title": "a row"},
            {"type": "stat", "title": "full?", "description": "", "targets": [{"expr": "full"}]},
            {
                "type": "stat", "title": "half?", "description": "Empty until it breaks",
                "targets": [{"expr": "full"}, {"expr": "none"}],
            },
        ]
    }  # fmt: skip
    (tmp_path / "one.json").write_text(json.dumps(board))
    full, half = panels(tmp_path, lambda query: [sample("1")] if query == "full" else [])
    assert (full.empty, full.error_only) == ((), False)
    assert (half.empty, half.error_only) == (("none",), True)


def test_alerts_that_would_never_fire_are_found(tmp_path: Path) -> None:
    rules = {
        "groups": [
            {
                "rules": [
                    {"alert": "Sees", "expr": 'mailweir_a{x="y"} > 1'},
                    {"alert": "Blind", "expr": "rate(mailweir_b_total[5m]) > 1"},
                ]
            }
        ]
    }
    (tmp_path / "one.yaml").write_text(json.dumps(rules))
    asked: list[str] = []

    def ask(query: str) -> list[Sample]:
        asked.append(query)
        return [sample("0")] if query.startswith("mailweir_a") else []

    assert list(blind_alerts(tmp_path, ask)) == ["Blind: mailweir_b_total"]
    assert "rate(mailweir_b_total[5m]) > 1" in asked


def test_rules_are_hurried_but_windows_hold_several_scrapes() -> None:
    rules = "increase(a[30m]) > increase(a[1m] offset 1h)\nfor: 5m\nfor: 0s"
    expected = "increase(a[60s]) > increase(a[10s] offset 120s)\nfor: 10s\nfor: 0s"
    assert hurried(rules, 30) == expected
