"""Problem bodies (RFC 9457): every error has one, with a reference that also stands in the log."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mailweir_gateway.ports import SearchRefused
from mailweir_policy import Problem as PolicyProblem

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:mailweir:problem:"
REFERENCE_PREFIX: Final = "urn:mailweir:request:"
MAX_ERRORS: Final = 100
MAX_SHOWN: Final = 500

# status: the kind, which clients tell problems apart by, and its title
KINDS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        400: ("bad-request", "The request cannot be understood"),
        401: ("unauthorized", "A valid API key is required"),
        403: ("forbidden", "This key may not do that"),
        404: ("not-found", "There is no such resource"),
        405: ("method-not-allowed", "The resource does not take this method"),
        408: ("request-timeout", "The request did not come in time"),
        409: ("conflict", "The state of the resource does not allow that"),
        412: ("precondition-failed", "Somebody else has changed it meanwhile"),
        413: ("content-too-large", "The request is too large"),
        415: ("unsupported-media-type", "The request is of another kind than is taken here"),
        422: ("invalid", "The request is not valid"),
        500: ("internal-error", "Something went wrong here"),
        503: ("unavailable", "Something needed for this does not answer"),
    }
)


class ProblemError(BaseModel):
    """One thing that is wrong with a request: where, and a sentence."""

    path: str
    message: str


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemError] = []


class Problem(HTTPException):
    """Raised by a route: status, a sentence, and what is wrong in detail."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the parts; `errors` are (path, sentence)."""
        super().__init__(status, detail, dict(headers or {}))
        self.errors = tuple(errors)


@contextmanager
def refused_at(path: str) -> Iterator[None]:
    """Turn what a service does not take into the problem of one part of the request."""
    try:
        yield
    except SearchRefused as error:
        raise Problem(422, "the request is not valid", errors=[(path, str(error))]) from error


def invalid(problems: Sequence[PolicyProblem]) -> Problem:
    """Return the problem of a document that is no policy."""
    errors = [(problem.path, problem.message) for problem in problems]
    return Problem(422, "the policy was not applied: it is not valid", errors=errors)


def unavailable(detail: str) -> Problem:
    """Return the problem of a part that does not answer; the client may come again."""
    return Problem(503, detail, headers={"Retry-After": "5"})


def render(error: HTTPException, reference: str) -> Response:
    """Return the response of an error."""
    status = error.status_code
    kind, title = KINDS.get(status, (f"status-{status}", "The request was refused"))
    errors = error.errors if isinstance(error, Problem) else ()
    body = {
        "type": TYPE_PREFIX + kind,
        "title": title,
        "status": status,
        "detail": (str(error.detail) if isinstance(error, Problem) else "") or title,
        "instance": REFERENCE_PREFIX + reference,
        "errors": [{"path": path, "message": text} for path, text in errors[:MAX_ERRORS]],
    }
    headers = dict(error.headers or {})
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)


def from_validation(error: RequestValidationError) -> Problem:
    """Return the problem of a request that does not fit its route: every path and sentence."""
    errors = [_located(item) for item in error.errors()]
    return Problem(422, "the request is not valid", errors=errors)


def _located(item: Mapping[str, Any]) -> tuple[str, str]:
    where, *rest = [str(part) for part in item["loc"]]
    path = ".".join(rest if where == "body" else [where, *rest])
    message = "unknown name" if item["type"] == "extra_forbidden" else str(item["msg"])
    return path[:MAX_SHOWN], message.removeprefix("Value error, ")[:MAX_SHOWN]


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's errors."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {"description": KINDS[status][1], "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }
