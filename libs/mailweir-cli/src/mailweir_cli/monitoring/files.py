"""What is made for the chart, file by file."""

from collections.abc import Mapping

from mailweir_cli.monitoring import board, edge_boards, inner_boards, whole_boards
from mailweir_cli.monitoring.alert import rules
from mailweir_cli.monitoring.alerts import GROUPS
from mailweir_cli.monitoring.board import Board


def boards() -> tuple[Board, ...]:
    """Return every dashboard."""
    return (
        whole_boards.flow(),
        edge_boards.ingress(),
        edge_boards.reputation(),
        edge_boards.greylist(),
        edge_boards.ratelimit(),
        inner_boards.scoring(),
        inner_boards.delivery(),
        inner_boards.quarantine(),
        inner_boards.gateway(),
        whole_boards.nats(),
    )


def files() -> Mapping[str, str]:
    """Return the text of every file by its path in the chart."""
    dashboards = {f"dashboards/{one.name}.json": board.text(one) for one in boards()}
    alerts = {f"alerts/{group.name}.yaml": rules([group]) for group in GROUPS}
    return {**dashboards, **alerts}
