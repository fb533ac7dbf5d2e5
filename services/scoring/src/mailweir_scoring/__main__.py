"""`python -m mailweir_scoring`."""

from mailweir_runtime.lifecycle import run
from mailweir_scoring.app import main
from mailweir_scoring.settings import Settings

if __name__ == "__main__":
    run("scoring", Settings, main)
