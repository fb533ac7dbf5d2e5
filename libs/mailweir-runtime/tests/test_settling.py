"""What the start has made is not looked through by the garbage collector again."""

import gc

import pytest

from mailweir_runtime.lifecycle import _settle


def test_it_is_settled_once_when_the_service_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    monkeypatch.setattr(gc, "get_freeze_count", lambda: len(frozen))
    for state in ("starting", "degraded", "ready", "degraded", "ready", "draining"):
        _settle(state)
    assert frozen == [1]
