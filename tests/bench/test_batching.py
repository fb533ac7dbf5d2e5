"""The benchmark of the batcher runs, and batching is worth its name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_batching_saves_most_of_the_cpu_when_many_wait() -> None:
    script = Path(__file__).with_name("batching.py")
    command = [sys.executable, str(script), "--seconds", "0.1", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=15)

    rows = {row["waiting"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {1, 8, 32, 128}
    # Measured: 6 and more with 8, 33 and more with 128. A busy machine may take some of it, not most.
    assert rows[8]["ratio_per_cpu_second"] > 2
    assert rows[128]["ratio_per_cpu_second"] > 8
