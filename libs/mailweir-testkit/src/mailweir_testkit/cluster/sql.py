"""A PostgreSQL of one pod with a volume, as a cluster's owner would bring it."""

from typing import Any, Final

from mailweir_testkit.cluster.tool import Cluster

NAME: Final = "postgres"
SECRET: Final = "databases"  # noqa: S105 - an object's name
DATABASES: Final = ("gateway", "quarantine")
_PASSWORD: Final = "for-tests-alone"  # noqa: S105 - of a database that lives for minutes
_DATA: Final = "/var/lib/postgresql/data"
_LABELS: Final = {"app": NAME}


def install(cluster: Cluster, namespace: str) -> None:
    """Have it run in a namespace, which is made; the Secret `SECRET` is what `sql.existingSecret` wants."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    cluster.apply(objects(namespace))
    wait = ("--timeout=180s", "-n", namespace)
    cluster.kubectl("rollout", "status", f"statefulset/{NAME}", *wait)


def objects(namespace: str) -> list[dict[str, Any]]:
    """Return its objects."""
    host = f"{NAME}.{namespace}.svc.cluster.local"
    address = f"postgresql+asyncpg://postgres:{_PASSWORD}@{host}:5432"
    statements = "\n".join(f"create database {name};" for name in DATABASES)
    parts: dict[str, dict[str, Any]] = {
        "Secret": {"stringData": {name: f"{address}/{name}" for name in DATABASES}},
        "ConfigMap": {"data": {"databases.sql": statements}},
        "Service": {
            "spec": {"clusterIP": "None", "selector": _LABELS, "ports": [{"port": 5432}]},
        },
    }
    names = {"Secret": SECRET}
    return [
        {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": names.get(kind, NAME), "namespace": namespace},
            **part,
        }
        for kind, part in parts.items()
    ] + [_stateful_set(namespace)]


def _stateful_set(namespace: str) -> dict[str, Any]:
    """Return the one object that runs: unlike a Deployment it never has two pods on one volume."""
    container = {
        "name": NAME,
        "image": "postgres:15",
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "POSTGRES_PASSWORD", "value": _PASSWORD},
            {"name": "PGDATA", "value": f"{_DATA}/files"},
        ],
        "ports": [{"containerPort": 5432}],
        "resources": {"requests": {"cpu": "10m", "memory": "128Mi"}},
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "-U", "postgres"]},
            "periodSeconds": 2,
        },
        "volumeMounts": [
            {"name": "data", "mountPath": _DATA},
            {"name": "start", "mountPath": "/docker-entrypoint-initdb.d"},
        ],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {
            "serviceName": NAME,
            "replicas": 1,
            "selector": {"matchLabels": _LABELS},
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    "containers": [container],
                    "volumes": [{"name": "start", "configMap": {"name": NAME}}],
                },
            },
            "volumeClaimTemplates": [claim],
        },
    }
