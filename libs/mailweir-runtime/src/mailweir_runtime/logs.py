"""Logging: structlog for our lines, the standard library for those of libraries; both have the same shape.

Our lines do not go through the standard library: a record there costs more than the rest of the line, and
each message leaves several lines on its way.

Event names are snake_case constants, values are keywords, never part of the text. What is bound with
`structlog.contextvars` (`ref`, `rpc`, ...) stands on every line of the task that bound it.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from mailweir_core.clock import SystemClock, rfc3339

LogFormat = Literal["auto", "json", "console"]

# Libraries that write a line for every connection or command, with addresses in it.
_QUIET: Final = (
    "mail.log", "aiosmtpd", "grpc", "nats", "asyncio", "aiosqlite", "sqlalchemy", "uvicorn.access",
)  # fmt: skip


class _Lines(structlog.WriteLogger):
    """Writes finished lines; knows its name, which stands in each of them."""

    def __init__(self, name: str, file: TextIO) -> None:
        super().__init__(file)
        self.name = name


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger; safe at import time, it takes shape at its first line."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def configure(
    *, log_format: LogFormat = "auto", level: str = "info", service: str = "", instance: str = "",
    stream: TextIO | None = None,
) -> None:  # fmt: skip
    """Set up logging for the process: one line per event to `stream` (standard error)."""
    out = sys.stderr if stream is None else stream
    as_json = log_format == "json" or (log_format == "auto" and not out.isatty())
    shared = _shared(service, instance)
    renderer = _renderer(as_json, out.isatty())
    ours = [_json_line(service, instance)] if as_json else [*shared, *renderer]
    structlog.configure(
        processors=ours,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_factory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _factory(out: TextIO) -> Callable[..., _Lines]:
    made: dict[str, _Lines] = {}  # as many as there are modules that log

    def make(*args: str) -> _Lines:
        name = args[0] if args else ""
        if name not in made:
            made[name] = _Lines(name, out)
        return made[name]

    return make


def _shared(service: str, instance: str) -> list[Processor]:
    def add_process(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        event.setdefault("instance", instance)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        add_process,
    ]


def _json_line(service: str, instance: str) -> Processor:
    """Return what makes a line of an event: the work of `_shared` and of the renderer in one step."""
    encode = json.JSONEncoder(default=repr).encode
    clock = SystemClock()

    def line(logger: _Lines, method: str, event: EventDict) -> str:
        structlog.contextvars.merge_contextvars(logger, method, event)
        event["level"] = method
        event["logger"] = logger.name
        event["timestamp"] = rfc3339(clock.now())
        event.setdefault("service", service)
        event.setdefault("instance", instance)
        if "exc_info" in event:
            # Plain tracebacks: locals of a frame can hold a message or a password.
            structlog.processors.format_exc_info(logger, method, event)
        return encode(event)

    return line


def _renderer(as_json: bool, colors: bool) -> list[Processor]:
    if as_json:
        # Plain tracebacks: locals of a frame can hold a message or a password.
        return [
            structlog.processors.format_exc_info,
            structlog.processors.UnicodeDecoder(),
            structlog.processors.JSONRenderer(default=repr),
        ]
    # Nothing from the network may move the cursor of the admin's terminal: values are written with repr,
    # and a library's text loses its control characters.
    return [
        _printable_event,
        structlog.dev.ConsoleRenderer(
            colors=colors,
            repr_native_str=True,
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _printable_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    text = str(event.get("event", ""))
    if not text.isprintable():
        event["event"] = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return event
