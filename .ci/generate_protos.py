"""Generate libs/mailweir-protos from protos/. With --check: fail where the committed code differs."""

import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
TARGET = ROOT / "libs/mailweir-protos/src/mailweir"


def generate(out: Path) -> None:
    """Write the Python code and its type stubs of every proto below `out`."""
    sources = sorted(str(p.relative_to(PROTOS)) for p in PROTOS.rglob("*.proto"))
    wellknown = Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main([
        "protoc", f"-I{PROTOS}", f"-I{wellknown}", f"--python_out={out}", f"--grpc_python_out={out}",
        f"--mypy_out={out}", f"--mypy_grpc_out={out}", *sources,
    ])  # fmt: skip
    if code != 0:
        sys.exit(f"protoc failed with {code}")
    # A service-less proto makes a *_grpc file without content: not worth a file.
    for path in out.rglob("*_pb2_grpc.py"):
        if "class " not in path.read_text():
            path.unlink()
            path.with_suffix(".pyi").unlink(missing_ok=True)
    for stub in out.rglob("*_pb2_grpc.pyi"):
        if not stub.with_suffix(".py").exists():
            stub.unlink()
    (out / "mailweir/py.typed").touch()


def files(root: Path) -> set[Path]:
    """Return the generated files below `root`, relative."""
    return {
        p.relative_to(root) for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    }


def main() -> None:
    """Generate, or compare."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "mailweir"
        if "--check" in sys.argv:
            names = files(fresh) | files(TARGET)
            stale = [
                n for n in sorted(names)
                if not (fresh / n).exists() or not (TARGET / n).exists()
                or not filecmp.cmp(fresh / n, TARGET / n, shallow=False)
            ]  # fmt: skip
            if stale:
                sys.exit(
                    f"generated code is stale (run `make generate`): {', '.join(map(str, stale))}"
                )
            return
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(fresh, TARGET)


main()
