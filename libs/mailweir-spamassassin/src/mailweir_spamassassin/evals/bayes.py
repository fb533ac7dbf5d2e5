"""The bands of a learned probability, which is the caller's: SpamAssassin's learner is not here."""

from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction

from .common import argument, number, view_of


def _bayes(context: EvalContext, arguments: tuple[str, ...]) -> int:
    probability = view_of(context).probability
    if probability is None:
        return 0
    low, high = number(argument(arguments, 0) or ""), number(argument(arguments, 1) or "")
    return int((low == 0 or probability > low) and (high == 1 or probability <= high))


TESTS: Final[Mapping[str, EvalFunction]] = {"check_bayes": _bayes}
