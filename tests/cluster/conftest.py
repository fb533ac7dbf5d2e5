"""The cluster, the images, one release of the chart that all cluster tests share, and what tests do with it.

`make cluster-test` runs this directory. Everything here has the marker `cluster` and ten minutes a test (a
test may say otherwise by `pytest.mark.timeout`). Fixtures, all of the session:

    cluster    mailweir_testkit.cluster.tool.Cluster: kubectl(…), helm(…), objects(kind), apply(manifest),
               inside(command…), outside(command…), process("exec" or "outside", command…, log=…), fetch(url)
    images     the tag under which all services' images are loaded; changed_images is another
    release    mailweir_testkit.cluster.release.Release, installed by `helm install mail helm/mailweir --wait`
               with mailweir_testkit.cluster.values.small: mx, balancer(part), host(part), pods(service),
               logs(service), metrics(pod), api(forwarded=False), records(), socket(host, port),
               port_forward(target, port), apply(values), changed(values), rollback(), restart("deployment/…")
    hop        mailweir_testkit.cluster.release.OutsideSink: where it delivers to; mails, wait_for(fits)
    figures    add(title, heading, rows): a table that is printed at the end of the run
    files      a directory of the session for logs and jobs

A test leaves the release as it found it: `with release.changed({…})` takes its values back. One that needs
another release makes it by `mailweir_testkit.cluster.release.installed` in a namespace of its own.

Mail is sent from outside, from any of 32,000 client addresses (`tool.source(n)`), by
`courier.send(cluster, Plan(release.mx, 25, sources=(source(7),)), letters, files)` or, beside the test, by
`with courier.sending(…) as c: … c.result()`; then `reckoning.reckon` does the books.

While one works on a test: MAILWEIR_CLUSTER_TAG=test takes images that are loaded already under that tag
(MAILWEIR_CLUSTER_NEXT=next the changed ones), and MAILWEIR_CLUSTER_KEEP=1 leaves the release there, and takes
over one that is there, by `helm upgrade`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from mailweir_testkit.cluster import tool
from mailweir_testkit.cluster.figures import Figures
from mailweir_testkit.cluster.release import OutsideSink, Release, outside_sink
from mailweir_testkit.cluster.values import small

ROOT = Path(__file__).resolve().parents[2]
TAG = "test"
NEXT = "next"
HERE = Path(__file__).parent
FIRST = ("test_install.py", "test_images.py", "test_figures.py")
"""What is looked at first, on a release that nothing has been done to; the others follow by name."""


class Knobs(BaseSettings):
    """What one sets while working on a test."""

    mailweir_cluster_tag: str = ""
    mailweir_cluster_next: str = ""
    mailweir_cluster_keep: bool = False


_FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = Figures()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is here; without `-m cluster` none of it runs, whatever else is asked for."""
    if config.option.markexpr != "cluster":
        config.hook.pytest_deselected(items=[i for i in items if HERE in i.path.parents])
        items[:] = [item for item in items if HERE not in item.path.parents]
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(600))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    name = item.path.name
    return FIRST.index(name) if item.path.parent == HERE and name in FIRST else len(FIRST)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    figures = config.stash[_FIGURES]
    if figures.tables:
        terminalreporter.section("figures")
        terminalreporter.write_line(str(figures))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in one line how it went, where cluster tests were what was asked for."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if config.option.markexpr != "cluster" or reporter is None:
        return
    passed = len(reporter.stats.get("passed", ()))
    failed = len(reporter.stats.get("failed", ())) + len(reporter.stats.get("error", ()))
    if passed or failed:
        reporter.write_line(f"{passed} passed, {failed} failed")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    return pytestconfig.stash[_FIGURES]


@pytest.fixture(scope="session")
def cluster() -> tool.Cluster:
    try:
        found = tool.find(ROOT)
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)
    found.up()
    if not Knobs().mailweir_cluster_tag:
        found.ready_images()
    return found


@pytest.fixture(scope="session")
def images(cluster: tool.Cluster) -> str:
    if tag := Knobs().mailweir_cluster_tag:
        return tag
    for service in tool.SERVICES:
        cluster.build(service, TAG)
    return TAG


@pytest.fixture(scope="session")
def changed_images(cluster: tool.Cluster, images: str) -> str:
    """Return another tag: the same code with another version, so other images."""
    if tag := Knobs().mailweir_cluster_next:
        return tag
    for service in tool.SERVICES:
        cluster.build(service, NEXT, version=f"0.1.0+{NEXT}")
    return NEXT


@pytest.fixture(scope="session")
def hop(cluster: tool.Cluster, files: Path) -> Iterator[OutsideSink]:
    with outside_sink(cluster, files) as made:
        yield made


@pytest.fixture(scope="session")
def release(cluster: tool.Cluster, images: str, hop: OutsideSink, files: Path) -> Iterator[Release]:
    made = Release(cluster, ROOT / "helm" / "mailweir", small(images, hop.url), files)
    keep = Knobs().mailweir_cluster_keep
    if keep and made.there:
        made.apply({})
    else:
        made.uninstall()
        made.install()
    yield made
    if not keep:
        made.uninstall()
