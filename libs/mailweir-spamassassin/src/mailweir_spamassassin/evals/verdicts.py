"""SPF, DKIM, ARC and DMARC by the results that the caller found; without results nothing hits."""

from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction

from .common import view_of

_SPF: Final = ("pass", "neutral", "none", "softfail", "fail", "permerror", "temperror")


def _result(kind: str, *wanted: str) -> EvalFunction:
    def test(context: EvalContext, arguments: tuple[str, ...]) -> int:
        del arguments
        return int(view_of(context).results.get(kind, "") in wanted)

    return test


def _signed(kind: str) -> EvalFunction:
    """Whether there is such a signature, whatever it is worth."""

    def test(context: EvalContext, arguments: tuple[str, ...]) -> int:
        del arguments
        found = view_of(context).results.get(kind)
        return int(found is not None and found != "none")

    return test


TESTS: Final[Mapping[str, EvalFunction]] = (
    {f"check_for_spf_{result}": _result("spf", result) for result in _SPF}
    | {f"check_for_spf_helo_{result}": _result("spf-helo", result) for result in _SPF}
    | {
        "check_dkim_signed": _signed("dkim"),
        "check_dkim_valid": _result("dkim", "pass"),
        "check_dkim_valid_author_sig": _result("dkim-author", "pass"),
        "check_dkim_valid_envelopefrom": _result("dkim-envelope", "pass"),
        "check_dkim_dependable": _result("dkim-dependable", "pass"),
        "check_dkim_testing": _result("dkim-testing", "yes"),
        "check_arc_signed": _signed("arc"),
        "check_arc_valid": _result("arc", "pass"),
        "check_dmarc_pass": _result("dmarc", "pass"),
        "check_dmarc_none": _result("dmarc", "fail-none"),
        "check_dmarc_quarantine": _result("dmarc", "fail-quarantine"),
        "check_dmarc_reject": _result("dmarc", "fail-reject"),
        "check_dmarc_missing": _result("dmarc", "none"),
    }
)
