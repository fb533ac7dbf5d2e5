"""Changes of a part of the policy: a new version with that part, whatever else it says."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Header

from mailweir_gateway.api.problems import Problem, invalid, unavailable
from mailweir_gateway.policy.preconditions import MAX_HEADER, is_precondition, matches
from mailweir_gateway.tools import Tools
from mailweir_policy import InvalidPolicyError, Policy, dumps, loads
from mailweir_runtime.bus.ports import RevisionConflict
from mailweir_runtime.config import InvalidDocument, PolicyVersion, current, propose

ATTEMPTS: Final = 3
"""Times that a change without a precondition is tried when somebody else was faster."""
ETAG: Final[dict[str, Any]] = {
    "headers": {"ETag": {"description": "The version", "schema": {"type": "string"}}}
}
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=MAX_HEADER)]


def check_precondition(if_match: str | None) -> None:
    """Refuse an If-Match header that is not well-formed."""
    if if_match is not None and not is_precondition(if_match):
        raise Problem(422, "If-Match is wrong", errors=[("header.If-Match", 'write "v.3"')])


async def in_force(tools: Tools) -> PolicyVersion | None:
    """Return the version in force, None before the first."""
    try:
        return await current(tools.bus)
    except InvalidDocument as error:
        raise unavailable(f"the policy in force cannot be read: {error}") from error


async def surely_in_force(tools: Tools) -> PolicyVersion:
    """Return the version in force."""
    found = await in_force(tools)
    if found is None:
        raise Problem(404, "there is no policy yet")
    return found


async def change(
    tools: Tools, edit: Callable[[Policy], Policy], if_match: str | None, author: str, reason: str
) -> tuple[Policy, str]:
    """Put an edited policy in force; returns it and its version, the same one where nothing changes.

    Somebody else's change meanwhile is kept: the edit is made again on what is in force then.
    """
    check_precondition(if_match)
    for _ in range(ATTEMPTS):
        found = await surely_in_force(tools)
        if if_match is not None and not matches(if_match, found.version):
            tools.metrics.policy_changes.labels("conflict").inc()
            raise Problem(412, f"version {found.version} is in force")
        policy = _checked(tools, edit(found.policy))
        if policy == found.policy:
            return policy, found.version
        try:
            version = await propose(
                tools.bus, policy, author=author, reason=reason, clock=tools.clock,
                expected=found.version,
            )  # fmt: skip
        except RevisionConflict:
            continue
        except InvalidDocument as error:
            raise Problem(422, f"the policy was not applied: {error}") from error
        tools.metrics.policy_changes.labels("applied").inc()
        return policy, version
    tools.metrics.policy_changes.labels("conflict").inc()
    raise Problem(409, "others change the policy at this moment; try again")


def _checked(tools: Tools, policy: Policy) -> Policy:
    try:
        return loads(dumps(policy))
    except InvalidPolicyError as error:
        tools.metrics.policy_changes.labels("invalid").inc()
        raise invalid(error.problems) from error
