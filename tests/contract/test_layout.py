"""Every service has what a newcomer expects to find in it; a new one that lacks a part fails here."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(p.parent.name for p in (ROOT / "services").glob("*/pyproject.toml"))
MODULES = ("__main__", "settings", "ports", "app", "metrics")


def package(service: str) -> Path:
    return ROOT / "services" / service / "src" / f"mailweir_{service}"


def test_there_are_services() -> None:
    assert {"ingress", "scoring", "delivery", "quarantine", "gateway"} <= set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", ["README.md", "Dockerfile", "pyproject.toml"])
def test_a_service_has_its_files(service: str, name: str) -> None:
    path = ROOT / "services" / service / name
    assert path.is_file(), f"{path.relative_to(ROOT)} is missing"
    assert path.stat().st_size > 200, f"{path.relative_to(ROOT)} says next to nothing"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_its_modules(service: str) -> None:
    found = {p.stem for p in package(service).glob("*.py")} | {
        p.name for p in package(service).iterdir() if p.is_dir()
    }
    assert set(MODULES) - found == set(), "see docs/add-a-service.md"
    assert found & {"service", "smtp"}, "the work is in service.py; SMTP sessions are in smtp/"
    assert "policy" in found, "the decisions of a service are in policy.py or policy/"
    assert "adapters" in found, "what speaks to the outside is in adapters/"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_tests(service: str) -> None:
    tests = list((ROOT / "services" / service / "tests").rglob("test_*.py"))
    assert tests, f"services/{service}/tests has no tests"


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_starts_the_service(service: str) -> None:
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    assert f'ENTRYPOINT ["python", "-m", "mailweir_{service}"]' in text
    assert f"--package mailweir-{service}" in text
    assert "USER 65532" in text


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_in_the_architecture_contracts(service: str) -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    linter = config["tool"]["importlinter"]
    assert f"mailweir_{service}" in linter["root_packages"]
    independence = next(c for c in linter["contracts"] if c["type"] == "independence")
    assert f"mailweir_{service}" in independence["modules"]
    pure = next(c for c in linter["contracts"] if c["name"].startswith("Policy is pure"))
    assert f"mailweir_{service}.policy" in pure["source_modules"]
    assert f"services/{service}/src" in config["tool"]["mypy"]["mypy_path"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_depends_on_no_other(service: str) -> None:
    project = tomllib.loads((ROOT / "services" / service / "pyproject.toml").read_text())["project"]
    others = {f"mailweir-{s}" for s in SERVICES} - {f"mailweir-{service}"}
    names = {d.split("[")[0].split(">")[0].split("=")[0].strip() for d in project["dependencies"]}
    assert names & others == set()
    assert "mailweir-testkit" not in names


@pytest.mark.parametrize("service", SERVICES)
def test_only_settings_read_the_environment(service: str) -> None:
    """The linter bans os.environ by name; this also catches `from os import environ`."""
    for path in package(service).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                assert not {a.name for a in node.names} & {"environ", "getenv"}, path
