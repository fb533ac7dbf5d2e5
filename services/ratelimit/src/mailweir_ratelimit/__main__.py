"""`python -m mailweir_ratelimit`."""

from mailweir_ratelimit.app import main
from mailweir_ratelimit.settings import Settings
from mailweir_runtime.lifecycle import run

if __name__ == "__main__":
    run("ratelimit", Settings, main)
