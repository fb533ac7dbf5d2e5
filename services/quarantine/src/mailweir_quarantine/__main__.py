"""`python -m mailweir_quarantine`."""

from mailweir_quarantine.app import main
from mailweir_quarantine.settings import Settings
from mailweir_runtime.lifecycle import run

if __name__ == "__main__":
    run("quarantine", Settings, main)
