"""PromQL in a few words. Every query of a dashboard holds to the namespaces and pods that were chosen."""

from dataclasses import dataclass
from typing import Final

SERVICES: Final = (
    "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine", "gateway",
)  # fmt: skip
CHOSEN: Final = 'namespace=~"$namespace",pod=~"$pod"'
WINDOW: Final = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what a series of it is called (`{{label}}` is the label's value)."""

    expression: str
    legend: str


def _picked(name: str, match: str) -> str:
    return f"{name}{{{CHOSEN}{',' if match else ''}{match}}}"


def _by(label: str) -> str:
    return f" by ({label})" if label else ""


def _legend(label: str, legend: str) -> str:
    return legend or " ".join(f"{{{{{one.strip()}}}}}" for one in label.split(","))


def rate(counter: str, label: str = "", match: str = "", legend: str = "") -> Query:
    """Return a counter's growth per second, by a label."""
    inner = f"rate({_picked(counter, match)}[{WINDOW}])"
    return Query(f"sum{_by(label)} ({inner})", _legend(label, legend))


def total(gauge: str, label: str = "", match: str = "", legend: str = "") -> Query:
    """Return a gauge summed over pods."""
    return Query(f"sum{_by(label)} ({_picked(gauge, match)})", _legend(label, legend))


def highest(gauge: str, label: str = "pod", match: str = "", legend: str = "") -> Query:
    """Return a gauge's highest value over what the label does not tell apart."""
    return Query(f"max{_by(label)} ({_picked(gauge, match)})", _legend(label, legend))


def lowest(gauge: str, label: str = "pod", match: str = "", legend: str = "") -> Query:
    """Return a gauge's lowest value over what the label does not tell apart."""
    return Query(f"min{_by(label)} ({_picked(gauge, match)})", _legend(label, legend))


def quantile(share: float, histogram: str, label: str = "", match: str = "") -> Query:
    """Return a quantile of a histogram, 0 to 1, by a label."""
    labels = f"le, {label}" if label else "le"
    inner = f"sum by ({labels}) (rate({_picked(f'{histogram}_bucket', match)}[{WINDOW}]))"
    percent = f"{share * 100:g} %"
    legend = f"{percent} {_legend(label, '')}" if label else percent
    return Query(f"histogram_quantile({share:g}, {inner})", legend)


def quantiles(histogram: str, match: str = "") -> tuple[Query, ...]:
    """Return the median, the 95th and the 99th percentile."""
    return tuple(quantile(share, histogram, match=match) for share in (0.5, 0.95, 0.99))


def share(part: Query, whole: Query, legend: str) -> Query:
    """Return one query over another; nothing over nothing is 0."""
    # `clamp_min` keeps 0 / 0 from being no number
    return Query(f"({part.expression}) / clamp_min({whole.expression}, 1e-9)", legend)


def mix(counter: str, label: str, match: str = "") -> Query:
    """Return which share of all each value of a label has."""
    part, whole = rate(counter, label, match), rate(counter, match=match)
    expression = f"({part.expression}) / on () group_left () clamp_min({whole.expression}, 1e-9)"
    return Query(expression, part.legend)
