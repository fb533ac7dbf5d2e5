"""The application: routes, problem bodies, and what every request passes."""

from typing import Any, Final

from fastapi import FastAPI, Response, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from mailweir_gateway.api import admin, bans, config, greylist, limits, lists, messages, reputation
from mailweir_gateway.api.errors import handlers
from mailweir_gateway.api.middleware import BoundBody, Envelope, RequireKey
from mailweir_gateway.api.page import start_page
from mailweir_gateway.api.problems import ProblemDocument, responses
from mailweir_gateway.tools import Tools

PREFIX: Final = "/api/v1"
OPENAPI: Final = "/api/openapi.json"
DESCRIPTION: Final = (
    "Configuration, messages, quarantine, services, submission accounts, bans, greylisting, limits and lists "
    "of a Mailweir installation. "
    "Errors are problem bodies (RFC 9457)."
)
PARTS: Final = (
    messages.messages, messages.quarantine, config.config, admin.services, admin.users,
    bans.bans, greylist.greylist, limits.limits, lists.lists, reputation.dnslists, reputation.reputation,
    admin.version,
)  # fmt: skip


def build(tools: Tools) -> ASGIApp:
    """Return the whole application: the API behind its guards."""
    api: ASGIApp = build_api(tools)
    api = BoundBody(api)
    api = RequireKey(api, tools.keys, tools.metrics)
    return Envelope(api, tools.metrics, tools.clock)


def build_api(tools: Tools) -> FastAPI:
    """Return the API without its guards."""
    api = _Api(
        title="Mailweir",
        version="1",
        description=DESCRIPTION,
        openapi_url=OPENAPI,
        docs_url=None,  # the viewers load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for kind, handler in handlers(tools.metrics).items():
        api.add_exception_handler(kind, handler)
    # The key is asked for by RequireKey, before anything is read; this tells OpenAPI so.
    key = Security(HTTPBearer(auto_error=False, description="API key", bearerFormat="mw_…"))
    locked = responses(401, 413, 500, 503)
    for part in PARTS:
        api.include_router(part(tools), prefix=PREFIX, dependencies=[key], responses=locked)
    api.include_router(admin.health(tools), prefix=PREFIX, responses=responses(500))
    page = start_page(tools.version)

    @api.get("/", include_in_schema=False)
    async def get_start_page() -> Response:
        return page

    return api


class _Api(FastAPI):
    """FastAPI, whose document also has the one shape that is named by errors only."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document = super().openapi()
        schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.pop("$defs", {})
        document["components"]["schemas"] |= {**parts, "ProblemDocument": schema}
        return document
