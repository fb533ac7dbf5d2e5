"""Settings whose value lies in a file: `<VARIABLE>_FILE` names it, as a mounted secret is named.

So a password stands neither in the environment of a process, which whoever may look at a pod can read, nor
in its command line.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

SUFFIX: Final = "_file"
MAX_FILE_BYTES: Final = 65_536


def file_settings(
    prefix: str, fields: Iterable[str], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values that lie in files, by field, and a sentence for each that cannot be had.

    A field that ends in `_file` itself is a path and no such thing. White space around a value is no part
    of it: editors end a file with a newline.
    """
    known, values, lines = set(fields), dict[str, Any](), list[str]()
    given = {name.upper(): value for name, value in environ.items()}
    for variable, path in sorted(given.items()):
        field = file_field(prefix, variable, known)
        if not field or not path:
            continue
        if variable.upper().removesuffix(SUFFIX.upper()) in given:
            lines.append(f"{variable}: set it or {prefix}{field.upper()}, not both")
            continue
        try:
            values[field] = _read(Path(path))
        except (OSError, ValueError) as error:
            lines.append(f"{variable}: {path!r} cannot be read: {_reason(error)}")
    return values, lines


def file_field(prefix: str, variable: str, known: set[str]) -> str:
    """Return the field whose value a variable names the file of; empty where it does no such thing."""
    if not variable.upper().startswith(prefix):
        return ""
    name = variable.upper().removeprefix(prefix).lower()
    field = name.removesuffix(SUFFIX)
    return field if name not in known and name.endswith(SUFFIX) and field in known else ""


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it has over {MAX_FILE_BYTES} bytes")
    return content.decode().strip()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is no text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
