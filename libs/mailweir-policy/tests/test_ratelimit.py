"""Limits: what the model takes and refuses."""

import pytest
from pydantic import ValidationError

from mailweir_policy.ratelimit import OutboundPolicy, RatelimitPolicy


@pytest.mark.parametrize("zone", ["UTC", "Europe/Prague", "America/Argentina/Buenos_Aires"])
def test_a_day_begins_in_a_time_zone(zone: str) -> None:
    assert OutboundPolicy(timezone=zone).timezone == zone


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc/passwd", "/etc/passwd", "Europe"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="is not a time zone"):
        OutboundPolicy(timezone=zone)


@pytest.mark.parametrize(
    ("outbound", "what"),
    [
        ({"users": [{"login": "a@b.c", "limit": {}}, {"login": "A@B.C", "limit": {}}]}, "user"),
        ({"domains": [{"domain": "b.c"}, {"domain": "B.C."}]}, "domain"),
    ],
)
def test_a_user_or_domain_is_named_once(outbound: dict[str, object], what: str) -> None:
    with pytest.raises(ValidationError, match=f"a {what} is named twice"):
        OutboundPolicy.model_validate(outbound)


def test_a_limit_is_named_once() -> None:
    one = {"name": "x", "unit": "messages", "by": ["ip"], "count": 1, "seconds": 1}
    with pytest.raises(ValidationError, match="a limit is named twice"):
        RatelimitPolicy.model_validate({"limits": [one, one]})
