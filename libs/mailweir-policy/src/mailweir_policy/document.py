"""Documents: reading, writing and refusing them with the path of what is wrong."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mailweir_policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: where, and a sentence."""

    path: str
    message: str


class InvalidPolicyError(ValueError):
    """Raised when a document is no policy; carries every problem found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Keep the problems; the text is the first few."""
        self.problems = problems
        super().__init__("; ".join(f"{p.path or '(document)'}: {p.message}" for p in problems[:5]))


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    found = []
    items = error.errors(include_url=False, include_context=False, include_input=False)
    places = [item["loc"] for item in items]
    for item in items:
        if item["type"] == "too_short" and _has_below(item["loc"], places):
            continue  # an echo: the list is short only because its element was refused
        path = ".".join(str(part) for part in item["loc"])
        message = "unknown key" if item["type"] == "extra_forbidden" else item["msg"]
        found.append(Problem(path, message.removeprefix("Value error, ")))
    return tuple(found)


def _has_below(place: tuple[int | str, ...], places: Sequence[tuple[int | str, ...]]) -> bool:
    return any(len(p) > len(place) and p[: len(place)] == place for p in places)


def policy_from(document: Mapping[str, Any]) -> Policy:
    """Return the policy in a decoded document; raises InvalidPolicyError with every path."""
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        raise InvalidPolicyError(_problems(error)) from error


def loads(data: bytes | str) -> Policy:
    """Return the policy in a JSON text; raises InvalidPolicyError."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise InvalidPolicyError((Problem("", f"not JSON: {error}"),)) from error
    if not isinstance(document, dict):
        raise InvalidPolicyError((Problem("", "not a JSON object"),))
    return policy_from(document)


def dumps(policy: Policy) -> bytes:
    """Return a policy as JSON, every field written out, stable for equal policies."""
    document = policy.model_dump(mode="json")
    return json.dumps(_sorted_sets(document), ensure_ascii=False, separators=(",", ":")).encode()


def _sorted_sets(value: Any) -> Any:
    # `addresses` is the one set in the policy; JSON has it as a list, in an order that hashing chose
    if isinstance(value, dict):
        return {
            key: sorted(item) if key == "addresses" else _sorted_sets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_sorted_sets(item) for item in value]
    return value
