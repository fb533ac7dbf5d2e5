"""How a call fails: five kinds, by what the caller can do about it, and their gRPC status codes.

RpcFailed   raised by `call` on the client's side, whatever went wrong
Refused     raised by a handler on the server's side; its detail is for the caller to read
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from grpc import StatusCode

MAX_DETAIL: Final = 200


class RpcFailure(StrEnum):
    """Why there is no answer."""

    UNAVAILABLE = "unavailable"  # nobody there, or not any more: later, or another one
    DEADLINE = "deadline"  # the time was over, or too short to begin
    EXHAUSTED = "exhausted"  # too much work: later, and less
    INVALID = "invalid"  # the request is wrong: never again like this
    INTERNAL = "internal"  # a fault of the service


class RpcFailed(Exception):
    """Raised when a call has no answer."""

    def __init__(self, kind: RpcFailure, detail: str = "") -> None:
        """Keep the kind and a sentence for the log."""
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail

    def __str__(self) -> str:
        """Return kind and detail."""
        return f"{self.kind}: {self.detail}" if self.detail else self.kind.value


class Refused(Exception):
    """Raised by a handler that will not do the work; `detail` goes to the caller as written."""

    def __init__(self, kind: RpcFailure, detail: str) -> None:
        """Keep the kind and a sentence for the caller."""
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


CODE_OF: Final[Mapping[RpcFailure, StatusCode]] = MappingProxyType(
    {
        RpcFailure.UNAVAILABLE: StatusCode.UNAVAILABLE,
        RpcFailure.DEADLINE: StatusCode.DEADLINE_EXCEEDED,
        RpcFailure.EXHAUSTED: StatusCode.RESOURCE_EXHAUSTED,
        RpcFailure.INVALID: StatusCode.INVALID_ARGUMENT,
        RpcFailure.INTERNAL: StatusCode.INTERNAL,
    }
)
_KIND_OF: Final[Mapping[StatusCode, RpcFailure]] = MappingProxyType(
    {
        **{code: kind for kind, code in CODE_OF.items()},
        # The server's side of a call that ended with its connection.
        StatusCode.CANCELLED: RpcFailure.UNAVAILABLE,
    }
)


def kind_of(code: StatusCode) -> RpcFailure:
    """Return the kind of a status code; what no handler of ours sends is a fault."""
    return _KIND_OF.get(code, RpcFailure.INTERNAL)
