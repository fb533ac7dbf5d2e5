"""The fuzz target itself: it runs, its seeds hold, and it reports what it finds."""

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("fuzz_mail.py")
SEEDS = sorted((SCRIPT.parent / "seeds" / "mail").iterdir())


@pytest.fixture(scope="module")
def fuzz() -> dict[str, Any]:
    """Load the script; test modules are no package to import it from."""
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize("seed", SEEDS, ids=[path.name for path in SEEDS])
def test_seeds_hold(fuzz: dict[str, Any], seed: Path) -> None:
    fuzz["check"](seed.read_bytes())


def test_a_short_run_finds_nothing(fuzz: dict[str, Any], tmp_path: Path) -> None:
    assert fuzz["run_random"](3.0, tmp_path, seed=1) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_raises_is_kept(
    fuzz: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fragile(data: bytes) -> None:
        if b"\0" in data:
            msg = "found it"
            raise ValueError(msg)

    target = fuzz["MAIL"]._replace(check=fragile)
    assert fuzz["run_random"](30.0, tmp_path, seed=1, target=target) == 1
    (finding,) = tmp_path.iterdir()
    assert b"\0" in finding.read_bytes()
    assert "ValueError: found it" in capsys.readouterr().out


def test_mutations_stay_within_the_length(fuzz: dict[str, Any]) -> None:
    import random

    chance = random.Random(7)
    pool = [b"x" * 60_000]
    assert all(len(fuzz["mutate"](chance, pool)) <= fuzz["LONGEST"] for _ in range(200))
