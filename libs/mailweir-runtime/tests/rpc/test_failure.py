"""Kinds of failure and their status codes."""

import grpc
import pytest

from mailweir_runtime.bus.ports import BusFull, BusUnavailable, RevisionConflict
from mailweir_runtime.rpc import Refused, RpcFailed, RpcFailure
from mailweir_runtime.rpc.failure import CODE_OF, kind_of
from mailweir_runtime.rpc.interceptors import refusal_of


@pytest.mark.parametrize("kind", RpcFailure)
def test_every_kind_has_a_code_that_reads_back(kind: RpcFailure) -> None:
    assert kind_of(CODE_OF[kind]) is kind


def test_every_code_has_a_kind() -> None:
    assert kind_of(grpc.StatusCode.CANCELLED) is RpcFailure.UNAVAILABLE
    assert kind_of(grpc.StatusCode.UNIMPLEMENTED) is RpcFailure.INTERNAL
    assert {kind_of(code) for code in grpc.StatusCode} == set(RpcFailure)


def test_a_failure_reads_well() -> None:
    assert str(RpcFailed(RpcFailure.DEADLINE, "late")) == "deadline: late"
    assert str(RpcFailed(RpcFailure.DEADLINE)) == "deadline"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Refused(RpcFailure.INVALID, "no such page"), RpcFailure.INVALID),
        (RpcFailed(RpcFailure.UNAVAILABLE, "x"), RpcFailure.UNAVAILABLE),
        (RpcFailed(RpcFailure.INVALID, "x"), RpcFailure.INTERNAL),
        (BusFull("x"), RpcFailure.EXHAUSTED),
        (BusUnavailable("x"), RpcFailure.UNAVAILABLE),
        (RevisionConflict("x"), RpcFailure.UNAVAILABLE),
        (TimeoutError("x"), RpcFailure.DEADLINE),
        (ExceptionGroup("g", [BusFull("x")]), RpcFailure.EXHAUSTED),
        (ExceptionGroup("g", [ExceptionGroup("h", [TimeoutError()])]), RpcFailure.DEADLINE),
    ],
)
def test_what_a_handler_may_raise(error: Exception, kind: RpcFailure) -> None:
    refusal = refusal_of(error)

    assert refusal is not None
    assert refusal.kind is kind
    assert "x" not in refusal.detail.split()


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), ExceptionGroup("g", [BusFull("x"), ValueError("y")])]
)
def test_what_is_a_fault_of_ours(error: Exception) -> None:
    assert refusal_of(error) is None
