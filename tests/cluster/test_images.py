"""The images that run hold what the services need and nothing to build or test with."""

import json
from typing import Any

import pytest

from mailweir_testkit.cluster.figures import Figures
from mailweir_testkit.cluster.release import Release
from mailweir_testkit.cluster.tool import SERVICES, Cluster

LOOK = """
import json, os, pathlib, shutil
from importlib.util import find_spec
site = pathlib.Path("/opt/mailweir/lib")
try:
    pathlib.Path("/opt/mailweir/probe").touch()
    writable = True
except OSError:
    writable = False
print(json.dumps({
    "compilers": [n for n in ("cc", "gcc", "g++", "c++", "clang", "ld", "make", "uv") if shutil.which(n)],
    "tests": [str(p) for p in site.rglob("*") if p.name in ("tests", "test") and p.is_dir()],
    "strangers": [n for n in ("sklearn", "scipy", "pytest", "mailweir_testkit") if find_spec(n)],
    "uid": os.getuid(),
    "writable": writable,
    "threads": os.environ.get("OMP_NUM_THREADS"),
}))
"""


def looked(release: Release, service: str) -> dict[str, Any]:
    """Return what a pod of a service finds in itself."""
    pod = release.pods(service)[0]["metadata"]["name"]
    found: dict[str, Any] = json.loads(release.kubectl("exec", pod, "--", "python", "-c", LOOK))
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_what_it_needs_alone(release: Release, service: str) -> None:
    assert looked(release, service) == {
        "compilers": [],
        "tests": [],
        "strangers": [],
        "uid": 65532,
        "writable": False,
        "threads": "1",
    }


def test_sizes(cluster: Cluster, images: str, figures: Figures) -> None:
    sizes = cluster.image_sizes()
    rows = [(service, sizes[f"mailweir/{service}:{images}"]) for service in SERVICES]
    figures.add("Image sizes, unpacked, the base image included", ("service", "size"), rows)
