"""Write helm/mailweir/{dashboards/*.json,alerts/*.yaml}. --check: fail where one differs or is too many."""

import sys
from pathlib import Path

from mailweir_cli.monitoring.files import files

CHART = Path(__file__).resolve().parent.parent / "helm" / "mailweir"


def main() -> None:
    """Write every file, or compare."""
    made = {CHART / name: text for name, text in files().items()}
    there = {*CHART.glob("dashboards/*"), *CHART.glob("alerts/*")}
    stale = [path for path, text in made.items() if path not in there or path.read_text() != text]
    surplus = sorted(there - made.keys())
    if "--check" in sys.argv:
        if stale or surplus:
            names = ", ".join(str(path.relative_to(CHART)) for path in (*stale, *surplus))
            sys.exit(f"stale (run `make generate`): {names}")
        return
    for path in surplus:
        path.unlink()
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path])


main()
