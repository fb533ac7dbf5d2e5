"""`python -m mailweir_reputation`."""

from mailweir_reputation.app import main
from mailweir_reputation.settings import Settings
from mailweir_runtime.lifecycle import run

if __name__ == "__main__":
    run("reputation", Settings, main)
