"""What a channel is told: balancing, retries, limits."""

import json

import pytest

from mailweir_runtime.rpc import open_channel, service_config


def test_without_idempotent_methods_there_are_no_retries() -> None:
    assert json.loads(service_config()) == {"loadBalancingConfig": [{"round_robin": {}}]}


def test_retries_are_for_the_named_methods_and_unavailable_only() -> None:
    config = json.loads(service_config(["/mailweir.scoring.v1.ScoringService/Score"]))

    (method,) = config["methodConfig"]
    assert method["name"] == [{"service": "mailweir.scoring.v1.ScoringService", "method": "Score"}]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert method["retryPolicy"]["maxAttempts"] <= 3
    assert config["retryThrottling"]["tokenRatio"] < 1


@pytest.mark.parametrize("method", ["Score", "a.B/Score", "/a.B", "/a.B/", "//Score", ""])
def test_a_method_must_be_named_in_full(method: str) -> None:
    with pytest.raises(ValueError, match=r"/package\.Service/Method"):
        service_config([method])


async def test_a_channel_opens_without_anybody_there() -> None:
    async with open_channel("unix:/nowhere/x.sock", idempotent=["/a.B/C"]) as channel:
        assert channel.get_state() is not None
