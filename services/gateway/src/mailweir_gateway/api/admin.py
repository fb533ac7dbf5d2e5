"""`services`, `users`, `health`, `version`."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator

from mailweir.events.v1 import events_pb2
from mailweir_core.clock import rfc3339
from mailweir_gateway.api.problems import Problem, responses
from mailweir_gateway.api.requests import StrictRoute
from mailweir_gateway.models.admin import (
    Health,
    ProductVersion,
    ServiceShape,
    UserChange,
    Users,
    UserShape,
)
from mailweir_gateway.policy.accounts import MAX_LOGIN, Account, is_login
from mailweir_gateway.tools import Tools
from mailweir_runtime.heartbeat import live_services

API: Final = "v1"


def _login(text: str) -> str:
    if not is_login(text):
        raise ValueError("a login has no space, control character or slash")
    return text.lower()


Login = Annotated[str, Path(min_length=1, max_length=MAX_LOGIN), AfterValidator(_login)]


def services(tools: Tools) -> APIRouter:
    """Return the route of `services`."""
    router = APIRouter(prefix="/services", tags=["services"], route_class=StrictRoute)

    @router.get("", responses=responses(503))
    async def list_services() -> list[ServiceShape]:
        """Return every process by service; a service that is expected but silent is `down`."""
        alive = [_service(status) for status in await live_services(tools.bus)]
        silent = set(tools.services) - {service.name for service in alive}
        return sorted([*alive, *map(_down, silent)], key=lambda s: (s.name, s.pod or ""))

    return router


def users(tools: Tools) -> APIRouter:
    """Return the routes of `users`: the accounts that may submit mail."""
    router = APIRouter(prefix="/users", tags=["users"], route_class=StrictRoute)

    @router.get("", responses=responses(503))
    async def list_users() -> Users:
        """Return every submission account, without its password."""
        return Users(items=tuple(_user(account) for account in await tools.accounts.all()))

    @router.put("/{login}", responses=responses(415, 422, 503))
    async def put_user(login: Login, body: UserChange) -> UserShape:
        """Make or change a submission account; the ingress takes it on at once."""
        account = await tools.accounts.changed(
            login, body.password, body.senders, disabled=body.disabled
        )
        if account is None:
            detail = "a new account needs a password"
            raise Problem(422, detail, errors=[("password", detail)])
        return _user(account)

    @router.delete("/{login}", status_code=204, responses=responses(404, 422, 503))
    async def delete_user(login: Login) -> None:
        """Remove a submission account."""
        if not await tools.accounts.delete(login):
            raise Problem(404, "there is no such account")

    return router


def health(tools: Tools) -> APIRouter:
    """Return the route of `health`, which needs no key."""
    router = APIRouter(tags=["gateway"], route_class=StrictRoute)

    @router.get("/health", responses={503: {"model": Health, "description": "It does not serve"}})
    async def get_health(response: Response) -> Health:
        """Say whether the gateway serves."""
        state = tools.state()
        if state not in ("ready", "degraded"):
            response.status_code = 503
        return Health(state=state)

    return router


def version(tools: Tools) -> APIRouter:
    """Return the route of `version`."""
    router = APIRouter(tags=["gateway"], route_class=StrictRoute)

    @router.get("/version")
    async def get_version_of_product() -> ProductVersion:
        """Say what answers."""
        return ProductVersion(product="Mailweir", version=tools.version, api=API)

    return router


def _user(account: Account) -> UserShape:
    return UserShape(login=account.login, senders=account.senders, disabled=account.disabled)


def _service(status: events_pb2.ServiceStatus) -> ServiceShape:
    return ServiceShape(
        name=status.name,
        pid=status.pid or None,
        pod=status.instance or None,
        state=status.state,
        version=status.version,
        config=status.config_version,
        rules=status.rules_version,
        model=status.model_version,
        metrics_url=status.metrics_url,
        started_at=rfc3339(status.started_at),
        seen_at=rfc3339(status.at),
        detail=status.detail,
    )


def _down(name: str) -> ServiceShape:
    return ServiceShape(
        name=name, pid=None, pod=None, state="down", version="", config="", rules="", model="",
        metrics_url="", started_at=None, seen_at=None, detail="nothing has been heard of it",
    )  # fmt: skip
