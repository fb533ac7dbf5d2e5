"""Keys of DNS lists: files in a directory of secrets. A key goes into the names asked for, nowhere else."""

from pathlib import Path
from typing import Final

MOST_KEY_BYTES: Final = 256
MOST_KEYS: Final = 100


def read_keys(directory: Path | None) -> dict[str, str]:
    """Return the keys of lists by file name; none without a directory. Raises OSError, ValueError."""
    if directory is None:
        return {}
    files = [path for path in sorted(directory.iterdir()) if path.is_file()][:MOST_KEYS]
    return {path.name: _key(path) for path in files if not path.name.startswith(".")}


def _key(path: Path) -> str:
    if path.stat().st_size > MOST_KEY_BYTES:
        raise ValueError(f"{path}: a key has at most {MOST_KEY_BYTES} bytes")
    key = path.read_text("ascii", "replace").strip()
    if not key or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in key):
        raise ValueError(f"{path}: not a key: letters, digits, '-', '_' and '.'")
    return key
