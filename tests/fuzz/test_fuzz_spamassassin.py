"""The fuzz target of SpamAssassin's view of a message: its seeds hold, and a short run finds nothing."""

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("fuzz_spamassassin.py")
SEEDS = sorted((SCRIPT.parent / "seeds" / "spamassassin").iterdir())


@pytest.fixture(scope="module")
def fuzz() -> dict[str, Any]:
    """Load the script and the one whose engines it uses; test modules are no package to import from."""
    return {
        **runpy.run_path(str(SCRIPT.with_name("fuzz_mail.py"))),
        **runpy.run_path(str(SCRIPT)),
    }


@pytest.mark.parametrize("seed", SEEDS, ids=[path.name for path in SEEDS])
def test_seeds_hold(fuzz: dict[str, Any], seed: Path) -> None:
    fuzz["check"](seed.read_bytes())


def test_a_short_run_finds_nothing(fuzz: dict[str, Any], tmp_path: Path) -> None:
    target = fuzz["Target"](fuzz["check"], fuzz["SEEDS"], fuzz["TOKENS"])
    assert fuzz["run_random"](3.0, tmp_path, seed=1, target=target) == 0
    assert list(tmp_path.iterdir()) == []
