"""The policy of SpamAssassin's rules."""

import pytest
from pydantic import ValidationError

from mailweir_policy.spamassassin import SpamAssassinPolicy


def test_defaults_let_no_single_rule_tag() -> None:
    policy = SpamAssassinPolicy()
    assert policy.enabled
    assert policy.rule_cap < 6.0
    assert (policy.score_set, policy.scale) == (0, 1.0)


@pytest.mark.parametrize(
    "field", [{"score_set": 4}, {"scale": -1}, {"rule_cap": -1}, {"max_score": 2000}, {"x": 1}]
)
def test_bounds(field: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SpamAssassinPolicy.model_validate(field)
