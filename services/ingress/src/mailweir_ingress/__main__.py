"""`python -m mailweir_ingress`."""

from mailweir_ingress.app import main
from mailweir_ingress.settings import Settings
from mailweir_runtime.lifecycle import run

if __name__ == "__main__":
    run("ingress", Settings, main)
