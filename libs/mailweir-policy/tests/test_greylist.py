"""Greylisting's policy: bypass lists in the one syntax of lists, waits that can be sat out."""

from typing import Any

import pytest

from mailweir_policy import InvalidPolicyError, Policy, policy_from


def greylist(**fields: Any) -> Policy:
    return policy_from({"greylist": fields})


def problem(**fields: Any) -> tuple[str, str]:
    with pytest.raises(InvalidPolicyError) as caught:
        greylist(**fields)
    (found,) = caught.value.problems
    return found.path, found.message


def test_bypass_lists_are_kept_in_normal_form() -> None:
    found = greylist(
        bypass_clients=["192.0.2.0/24", "HOST:*.Example.NET", "192.0.2.1-192.0.2.9"],
        bypass_senders=["Ann@Example.net", "@Example.org", "@.example.com"],
        bypass_recipients=["postmaster@example.com"],
    ).greylist
    assert found.bypass_clients == ("192.0.2.0/24", "host:*.example.net", "192.0.2.1-192.0.2.9")
    assert found.bypass_senders == ("ann@example.net", "@example.org", "@.example.com")


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"bypass_clients": ["ann@example.net"]}, "bypass_clients.0", "is a sender"),
        ({"bypass_clients": ["mx.example.net"]}, "bypass_clients.0", "host:mx.example.net"),
        ({"bypass_senders": ["192.0.2.1"]}, "bypass_senders.0", "is a client"),
        ({"bypass_recipients": ["example.com"]}, "bypass_recipients.0", "write @example.com"),
        ({"text": "come\r\nback"}, "text", "pattern"),
        ({"mode": "everybody"}, "mode", "sender"),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, Any], path: str, words: str) -> None:
    where, message = problem(**fields)
    assert where == f"greylist.{path}"
    assert words in message


def test_nobody_is_told_to_wait_longer_than_is_remembered() -> None:
    where, message = problem(delay_seconds=60.0, pending_seconds=360.0)
    assert where == "greylist"
    assert "6 times delay_seconds (360)" in message
    greylist(delay_seconds=60.0, pending_seconds=361.0)
