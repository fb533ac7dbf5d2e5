"""`python -m mailweir_greylist`."""

from mailweir_greylist.app import main
from mailweir_greylist.settings import Settings
from mailweir_runtime.lifecycle import run

if __name__ == "__main__":
    run("greylist", Settings, main)
