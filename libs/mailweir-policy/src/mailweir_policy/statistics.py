"""How much the statistics' opinion counts."""

from typing import Annotated

from pydantic import Field

from mailweir_policy.base import PolicyModel

Points = Annotated[float, Field(ge=0, le=14)]
"""Never enough for `reject` by itself: no statistical signal may refuse mail alone."""


class StatisticsPolicy(PolicyModel):
    """The model's opinion as points; it grows with the log-odds of spam."""

    enabled: bool = True
    """Ask the model, where there is one."""
    weight: Annotated[float, Field(ge=0, le=3)] = 1.0
    """Factor on its points, before the bounds below."""
    most: Points = 6.5
    """Most points for spam."""
    most_without_content: Points = 2.5
    """Most points where the text could not be judged (a language that was not taught, too few words)."""
    most_for_ham: Points = 3.0
    """Most points that are taken off for mail that looks wanted."""
