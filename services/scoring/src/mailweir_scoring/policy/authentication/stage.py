"""The stage `auth`: who vouches for a message from outside."""

from dataclasses import replace

from mailweir_core.asking import Asking
from mailweir_scoring.policy.authentication.asking import find_out
from mailweir_scoring.policy.authentication.findings import SYMBOLS, hits_of
from mailweir_scoring.policy.authentication.header import header_of
from mailweir_scoring.policy.checks.common import is_submitted
from mailweir_scoring.policy.facts import Facts, Found


def authenticate(facts: Facts) -> Asking[Found]:
    """Return hits, the facts with `auth`, and the Authentication-Results field.

    Mail of our own users and trusted networks is not checked: they are who they are by their log-in or their
    address, and our own SPF record says nothing about them.
    """
    if is_submitted(facts):
        return Found()
    found = yield from find_out(facts, facts.policy.authentication)
    known = replace(facts, auth=found)
    return Found(hits_of(found, known), known, fields=header_of(found, known))


__all__ = ["SYMBOLS", "authenticate"]
