"""Values for a release on a small machine, where images are built and not pulled."""

from typing import Any, Final

SMALL: Final = {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}


def small(tag: str, next_hop: str) -> dict[str, Any]:
    """Return values: images by tag, low requests, mail for everybody to one next hop at once."""
    return {
        "image": {"tag": tag, "pullPolicy": "IfNotPresent"},
        "nextHop": next_hop,
        "serviceDefaults": {"resources": SMALL},
    }
