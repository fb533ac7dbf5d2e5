"""Build the image of every service into the test cluster and print how big each is."""

import sys
import time
from pathlib import Path

from mailweir_testkit.cluster import tool

ROOT = Path(__file__).resolve().parents[1]
TAG = "test"


def main() -> int:
    """Return 0, or 2 where there is no cluster tool."""
    try:
        cluster = tool.find(ROOT)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    cluster.up()
    for service in tool.SERVICES:
        begun = time.monotonic()
        cluster.build(service, TAG)
        size = cluster.image_sizes()[f"mailweir/{service}:{TAG}"]
        print(f"{service:12} {size:>12}  {time.monotonic() - begun:6.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
