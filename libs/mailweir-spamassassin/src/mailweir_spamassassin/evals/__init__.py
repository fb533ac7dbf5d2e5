"""The eval tests of SpamAssassin's plugins, by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mailweir_spamassassin.view.api import EvalFunction

from . import (
    addresses,
    bayes,
    body,
    forged,
    freemail,
    header,
    html,
    images,
    lists,
    mime,
    relay,
    verdicts,
)
from .unsupported import UNSUPPORTED_EVALS

__all__ = ["EVALS", "UNSUPPORTED_EVALS"]

EVALS: Final[Mapping[str, EvalFunction]] = MappingProxyType(
    {
        name: function
        for module in (
            addresses,
            bayes,
            body,
            forged,
            freemail,
            header,
            html,
            images,
            lists,
            mime,
            relay,
            verdicts,
        )
        for name, function in module.TESTS.items()
    }
)
