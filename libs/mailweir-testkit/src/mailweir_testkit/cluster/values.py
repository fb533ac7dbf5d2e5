"""Values for a release on a small machine, where images are built and not pulled."""

from typing import Any, Final

from mailweir_testkit.cluster.tool import SERVICES, source

PROXY: Final = source(31_999)
"""Where the release takes PROXY headers from."""
_LITTLE: Final = {"requests": {"cpu": "10m"}}


def small(tag: str, next_hop: str) -> dict[str, Any]:
    """Return values: images by tag, one pod of each service, little CPU promised, all mail to one next hop.

    Nothing is scaled by itself: with so little promised every breath would be a reason to. One proxy is
    listed. Memory is what the chart says.
    """
    each = {"replicas": 1, "autoscaling": {"mode": "none"}, "resources": _LITTLE}
    return {
        "image": {"tag": tag, "pullPolicy": "IfNotPresent"},
        "nextHop": next_hop,
        "services": dict.fromkeys(SERVICES, each),
        "nats": {"resources": _LITTLE},
        "smtp": {"proxyProtocol": {"enabled": True, "sources": [f"{PROXY}/32"]}},
    }
