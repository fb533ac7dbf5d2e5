"""Requests with a body: JSON only, and strictly (policy/strictjson.py)."""

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


def _check_media_type(header: str) -> None:
    media_type = header.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "send application/json", headers={"Accept": "application/json"})
