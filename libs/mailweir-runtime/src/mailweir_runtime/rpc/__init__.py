"""gRPC between services: deadlines, one way to call, one way to serve, natural batching."""

from mailweir_runtime.rpc.batcher import Batcher
from mailweir_runtime.rpc.client import (
    MAX_MESSAGE_BYTES,
    call,
    open_channel,
    service_config,
    stream,
)
from mailweir_runtime.rpc.deadline import Deadline
from mailweir_runtime.rpc.failure import Refused, RpcFailed, RpcFailure
from mailweir_runtime.rpc.server import ServerLimits, serve, serve_health

__all__ = [
    "MAX_MESSAGE_BYTES", "Batcher", "Deadline", "Refused", "RpcFailed", "RpcFailure", "ServerLimits",
    "call", "open_channel", "serve", "serve_health", "service_config", "stream",
]  # fmt: skip
