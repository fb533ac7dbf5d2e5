"""Requests with a body: JSON, and strictly (policy/strictjson.py), but for one that says otherwise."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from mailweir_gateway.api.problems import Problem
from mailweir_gateway.policy.strictjson import NotJson, decoded


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """Return the decoded body; raises Problem."""
        try:
            return decoded(await self.body())
        except NotJson as error:
            raise Problem(422, str(error), errors=[("", str(error))]) from error


class StrictRoute(APIRoute):
    """A route that takes no body but JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the check before it."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if self.body_field is not None:
                _check_media_type(request.headers.get("content-type", ""))
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


async def body_text(request: Request) -> str:
    """Return a body that is plain text in UTF-8; raises Problem."""
    _check_media_type(request.headers.get("content-type", ""), "text/plain")
    try:
        return (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"not UTF-8 at byte {error.start}"
        raise Problem(422, detail, errors=[("", detail)]) from error


def _check_media_type(header: str, wanted: str = "application/json") -> None:
    media_type = header.partition(";")[0].strip().lower()
    if media_type != wanted:
        raise Problem(415, f"send {wanted}", headers={"Accept": wanted})
