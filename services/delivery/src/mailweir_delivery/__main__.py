"""`python -m mailweir_delivery`."""

from mailweir_delivery.app import main
from mailweir_delivery.settings import Settings
from mailweir_runtime.lifecycle import run

if __name__ == "__main__":
    run("delivery", Settings, main)
