"""Documents: reading, writing and refusing them with the path of what is wrong."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

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
    found: dict[str, Problem] = {}
    items = error.errors(include_url=False, include_context=False, include_input=False)
    places = [item["loc"] for item in items]
    for item in items:
        if item["type"] == "too_short" and _has_below(item["loc"], places):
            continue  # an echo: the list is short only because its element was refused
        path = ".".join(str(part) for part in item["loc"] if not _is_choice(part))
        message = "unknown key" if item["type"] == "extra_forbidden" else item["msg"]
        # of the forms that a field may have, the first one's complaint is enough
        found.setdefault(path, Problem(path, message.removeprefix("Value error, ")))
    return tuple(found.values())


def _is_choice(part: int | str) -> bool:
    """Say whether this is pydantic's name for one form of a field (`literal['*']`), not a key."""
    return isinstance(part, str) and "[" in part and part.endswith("]")


def _has_below(place: tuple[int | str, ...], places: Sequence[tuple[int | str, ...]]) -> bool:
    return any(len(p) > len(place) and p[: len(place)] == place for p in places)


def policy_from(document: Mapping[str, Any]) -> Policy:
    """Return the policy in a decoded document; raises InvalidPolicyError with every path.

    A number is a number and a switch a switch: `"50"` and `true` are no counts.
    """
    try:
        # strict is only usable on JSON: a decoded document has lists where the policy has tuples
        return Policy.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise InvalidPolicyError(_problems(error)) from error
    except (TypeError, ValueError) as error:
        raise InvalidPolicyError((Problem("", f"not JSON: {error}"),)) from error
    except RecursionError:
        raise InvalidPolicyError((Problem("", "nested too deeply"),)) from None


def loads(data: bytes | str) -> Policy:
    """Return the policy in a JSON text; raises InvalidPolicyError."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise InvalidPolicyError((Problem("", f"not JSON: {error}"),)) from error
    except RecursionError:
        raise InvalidPolicyError((Problem("", "nested too deeply"),)) from None
    if not isinstance(document, dict):
        raise InvalidPolicyError((Problem("", "not a JSON object"),))
    return policy_from(document)


def dumps(policy: Policy) -> bytes:
    """Return a policy as JSON, every field written out, the same bytes for equal policies."""
    return json.dumps(_plain(policy), ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """Return what JSON takes: fields in their order; sets and maps sorted, since equal ones differ in it."""
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in sorted(value.items())}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
