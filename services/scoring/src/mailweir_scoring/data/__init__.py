"""Lists that checks look things up in: brands, hosts, phrases. Data alone, read once."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any


@cache
def load(name: str) -> Mapping[str, Any]:
    """Return the content of `NAME.toml` in this package."""
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text("utf-8"))
