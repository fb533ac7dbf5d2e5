"""Process settings: the environment, read once, refused with every error at once.

A service subclasses `ServiceSettings` and sets `model_config = settings_config("INGRESS")`. Each field has a
docstring with its unit; docs/settings.md is generated from `describe()`. Policy is never in here.
Every setting may lie in a file instead (`settings_files`), as secrets should.
"""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mailweir_runtime.listen import TcpListen
from mailweir_runtime.settings_files import file_field, file_settings

S = TypeVar("S", bound="ServiceSettings")
MAX_SHOWN: Final = 60
# What Kubernetes sets for a Service of our name while enableServiceLinks is on; nobody wrote these.
_SERVICE_LINK: Final = re.compile(
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT|PORT_\d+_(?:TCP|UDP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]*@")


def settings_config(service: str) -> SettingsConfigDict:
    """Return the model_config of a service's settings; `service` in upper case, as in the variables."""
    return SettingsConfigDict(
        env_prefix=f"MAILWEIR_{service}_",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        # A list is written with commas (CommaList), so one wrong value is one error line, not a JSON crash.
        enable_decoding=False,
    )


def _split(value: object) -> object:
    return (
        tuple(p for x in value.split(",") if (p := x.strip())) if isinstance(value, str) else value
    )


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""A settings field: values separated by commas; empty for none."""

OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
"""A settings field: a path, or empty for none."""


class ServiceSettings(BaseSettings):
    """What every service's process is told by its environment."""

    model_config = settings_config("SERVICE")

    shard: str = Field("s0", pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    """Shard of the tenants served; the first part of every bus subject."""
    instance: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    """Name of this process among its like; empty makes `<hostname>-<pid>`."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto` writes columns to a terminal and JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""
    event_loop: Literal["uvloop", "asyncio"] = "uvloop"
    """The event loop; `asyncio` is the slower one of the standard library."""
    metrics_listen: TcpListen = "127.0.0.1:0"
    """Address of /metrics, /livez and /readyz; port 0 lets the system choose."""
    drain_seconds: float = Field(30.0, gt=0, le=3600)
    """Time that running work gets after SIGTERM, in seconds."""
    nats_url: str = Field("nats://127.0.0.1:4222", pattern=r"^(nats|tls|ws|wss)://\S+$")
    """URL of the NATS server; several separated by commas."""
    nats_credentials_file: OptionalPath = None
    """NATS credentials (.creds); empty for none."""
    stream_replicas: int = Field(1, ge=1, le=5)
    """Copies of each stream and bucket that the NATS cluster keeps; 1 or an odd number."""
    connect_seconds: float = Field(30.0, gt=0, le=3600)
    """How long the start waits for the bus, in seconds."""


class SettingsError(Exception):
    """Raised when the environment is wrong; `lines` has one sentence per error."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        """Keep the lines."""
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting as the documentation shows it."""

    variable: str
    expected: str
    default: str
    description: str


def load(settings_type: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Return the settings; raises SettingsError with a line for every wrong or unknown variable.

    A value may lie in a file that `<VARIABLE>_FILE` names, see `settings_files`.
    `environ` says which variables there are when it comes to unknown ones (default: the process's own).
    """
    names = os.environ if environ is None else environ  # noqa: TID251 - this is the Settings class's home
    fields = settings_type.model_fields
    in_files, lines = file_settings(_prefix(settings_type), fields, names)
    lines = [*_unknown(settings_type, names), *lines]
    try:
        settings = settings_type(**in_files)
    except ValidationError as error:
        lines += [
            _error_line(settings_type, dict(item), hidden=in_files.keys())
            for item in error.errors(include_url=False)
        ]
        raise SettingsError(
            tuple(lines)
        ) from None  # the cause would print values, secrets among them
    if lines:
        raise SettingsError(tuple(lines))
    return settings


def describe(settings_type: type[ServiceSettings]) -> tuple[SettingDoc, ...]:
    """Return every setting of a service in the order of its fields."""
    prefix, properties = _prefix(settings_type), _properties(settings_type)
    return tuple(
        SettingDoc(
            variable=f"{prefix}{name.upper()}",
            expected=_expected(properties[name]),
            default="required" if field.is_required() else _default(field.default),
            description=field.description or "",
        )
        for name, field in settings_type.model_fields.items()
    )


def _prefix(settings_type: type[ServiceSettings]) -> str:
    return settings_type.model_config.get("env_prefix", "")


def _properties(settings_type: type[ServiceSettings]) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = settings_type.model_json_schema()["properties"]
    return properties


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return "" if value is None else str(value)


def _unknown(settings_type: type[ServiceSettings], names: Iterable[str]) -> list[str]:
    prefix = _prefix(settings_type)
    known = [name.upper() for name in settings_type.model_fields]
    lines = []
    for variable in sorted(names):
        name = variable.upper().removeprefix(prefix)
        if (
            not variable.upper().startswith(prefix)
            or name in known
            or file_field(prefix, variable, set(settings_type.model_fields))
            or _SERVICE_LINK.fullmatch(name)
        ):
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {prefix}{close[0]}?" if close else ""
        lines.append(f"{variable}: there is no such setting{hint}")
    return lines


def _error_line(
    settings_type: type[ServiceSettings], error: dict[str, Any], *, hidden: Collection[str] = ()
) -> str:
    """Return one error as a line; what came from a file of the fields `hidden` is not shown."""
    location = error["loc"]
    message = str(error["msg"]).removeprefix("Value error, ")
    if not location:  # a check over several fields
        return f"{_prefix(settings_type)}*: {message}"
    name = str(location[0]).lower()
    variable = f"{_prefix(settings_type)}{name.upper()}"
    field = settings_type.model_fields.get(name)
    if field is None:
        return f"{variable}: {message}"
    expected = _expected(_properties(settings_type)[name])
    about = f" ({field.description.splitlines()[0]})" if field.description else ""
    if error["type"] == "missing":
        return f"{variable}: must be set; expected {expected}{about}"
    shown = "what its file holds" if name in hidden else _shown(error["input"], expected)
    return f"{variable}: {shown}: {message}; expected {expected}{about}"


def _shown(value: object, expected: str) -> str:
    """Return the value as the line may show it: shortened, nothing of a password."""
    if expected == "a secret":
        return "the value"
    text = _USERINFO.sub("***@", str(value))
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def _expected(schema: Mapping[str, Any]) -> str:
    """Return what a field takes, in words, from its JSON schema."""
    if "anyOf" in schema:
        kinds = [_expected(kind) for kind in schema["anyOf"] if kind.get("type") != "null"]
        return f"{' or '.join(dict.fromkeys(kinds))}, or empty"
    if "enum" in schema:
        return f"one of {', '.join(str(choice) for choice in schema['enum'])}"
    if "const" in schema:
        return str(schema["const"])
    kind = {
        "integer": "a whole number", "number": "a number", "boolean": "true or false",
        "array": "a list separated by commas", "string": "text",
    }.get(str(schema.get("type")), "a value")  # fmt: skip
    text = {
        "password": "a secret",
        "path": "a path",
        "file-path": "a file",
        "directory-path": "a directory",
    }
    return f"{text.get(str(schema.get('format')), kind)}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {
        "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most",
        "exclusiveMaximum": "below", "pattern": "of the form",
    }  # fmt: skip
    parts = [f"{word} {schema[key]}" for key, word in words.items() if key in schema]
    if "examples" in schema:
        parts.append(f"like {' or '.join(str(example) for example in schema['examples'])}")
    return f" {', '.join(parts)}" if parts else ""
