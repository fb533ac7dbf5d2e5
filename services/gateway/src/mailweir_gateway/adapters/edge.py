"""What the adapters of the edge's services share: how calls fail, how times are shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mailweir_core.clock import rfc3339
from mailweir_gateway.adapters.explain import time
from mailweir_gateway.ports import SearchRefused
from mailweir_gateway.ports_edge import ServiceUnavailable
from mailweir_runtime.rpc import RpcFailed, RpcFailure

QUERY_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 10.0
NOWHERE: Final = "unix:/nowhere/this-service-is-not-deployed"
"""The target of a service that is not deployed: each call fails at once, and the log says why."""


@contextmanager
def failures(service: str) -> Iterator[None]:
    """Turn a call's failure into what the port raises."""
    try:
        yield
    except RpcFailed as error:
        if error.kind is RpcFailure.INVALID:
            raise SearchRefused(error.detail) from error
        raise ServiceUnavailable(service, str(error)) from error


def time_of(seconds: float) -> str:
    """Return a time as REST shows it."""
    return time(seconds) or rfc3339(0.0)
