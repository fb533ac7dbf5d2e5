"""`python -m mailweir_gateway`."""

from mailweir_gateway.app import main
from mailweir_gateway.settings import Settings
from mailweir_runtime.lifecycle import run

if __name__ == "__main__":
    run("gateway", Settings, main)
