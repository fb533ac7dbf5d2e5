"""The PostgreSQL of cluster tests is one pod with a volume, and the Secret is as the chart wants it."""

from typing import Any

from mailweir_testkit.cluster import sql


def found(kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    (one,) = [each for each in sql.objects("here") if each["kind"] == kind]
    return one


def test_everything_is_in_the_namespace() -> None:
    assert {each["metadata"]["namespace"] for each in sql.objects("here")} == {"here"}


def test_the_secret_names_a_database_for_each_service_that_keeps_one() -> None:
    urls = found("Secret")["stringData"]
    assert set(urls) == {"gateway", "quarantine"}
    for name, url in urls.items():
        assert url.startswith("postgresql+asyncpg://")
        assert url.endswith(f"@postgres.here.svc.cluster.local:5432/{name}")
    statements = found("ConfigMap")["data"]["databases.sql"]
    assert statements.splitlines() == ["create database gateway;", "create database quarantine;"]


def test_the_service_leads_to_the_one_pod_and_its_volume_outlives_it() -> None:
    workload = found("StatefulSet")["spec"]
    labels = workload["template"]["metadata"]["labels"]
    assert workload["replicas"] == 1
    assert workload["selector"]["matchLabels"] == labels == found("Service")["spec"]["selector"]
    (container,) = workload["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["PGDATA"].startswith(mounts["data"])
    assert workload["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
