"""Logs: one shape for our lines and those of libraries, nothing in them that a peer could abuse."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from mailweir_runtime import logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def configured(log_format: logs.LogFormat = "json", level: str = "info") -> io.StringIO:
    """Return the stream that is logged to."""
    stream = io.StringIO()
    logs.configure(
        log_format=log_format, level=level, service="demo", instance="i-1", stream=stream
    )
    return stream


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the logged lines."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_event_values_and_process() -> None:
    stream = configured()

    logs.get_logger("mailweir_demo.app").info("mail_taken", ref="R-1", bytes=5)

    (event,) = events(stream)
    assert event["event"] == "mail_taken"
    assert (event["ref"], event["bytes"]) == ("R-1", 5)
    assert (event["service"], event["instance"], event["level"]) == ("demo", "i-1", "info")
    assert event["logger"] == "mailweir_demo.app"
    assert event["timestamp"].endswith("Z")


def test_a_library_line_has_the_same_shape() -> None:
    stream = configured()

    logging.getLogger("somelib").warning("gone: %s", "x")

    (event,) = events(stream)
    assert (event["event"], event["logger"], event["service"]) == ("gone: x", "somelib", "demo")


def test_what_is_bound_stands_on_every_line() -> None:
    stream = configured()

    with structlog.contextvars.bound_contextvars(ref="R-2"):
        logs.get_logger("a").info("one")
        logging.getLogger("b").warning("two")
    logs.get_logger("a").info("three")

    assert [event.get("ref") for event in events(stream)] == ["R-2", "R-2", None]


def test_the_level_holds() -> None:
    stream = configured(level="warning")

    logs.get_logger("a").info("quiet")
    logs.get_logger("a").warning("loud")

    assert [event["event"] for event in events(stream)] == ["loud"]


def test_chatty_libraries_are_silent_below_warning() -> None:
    stream = configured(level="debug")

    logging.getLogger("mail.log").info("RCPT TO:<someone@example.com>")
    logging.getLogger("mail.log").warning("odd")

    assert [event["event"] for event in events(stream)] == ["odd"]


def test_a_logger_made_before_the_configuration_works() -> None:
    early = logs.get_logger("early")
    stream = configured()

    early.info("here")

    assert [event["event"] for event in events(stream)] == ["here"]


def test_a_traceback_shows_no_locals() -> None:
    stream = configured()
    password = "hunter2"

    try:
        raise ValueError(len(password))
    except ValueError:
        logs.get_logger("a").exception("crashed")

    (event,) = events(stream)
    assert "ValueError: 7" in event["exception"]
    assert "hunter2" not in event["exception"].replace('password = "hunter2"', "")


def test_a_json_line_is_one_line_whatever_it_holds() -> None:
    stream = configured()

    logs.get_logger("a").info("helo", name="x\r\ny\x1b[2J\u2028\udc80")

    (event,) = events(stream)
    assert event["name"] == "x\r\ny\x1b[2J\u2028\udc80"
    assert stream.getvalue().isascii()


def test_a_value_that_json_does_not_know_is_written_out() -> None:
    stream = configured()

    logs.get_logger("a").info(
        "odd",
        value={
            1,
        },
        data=b"\xff",
    )

    (event,) = events(stream)
    assert event["value"] == "{1}"


def test_the_console_gets_no_control_characters() -> None:
    stream = configured("console")

    logs.get_logger("a").info("helo", name="x\r\n\x1b[2J")
    logging.getLogger("lib").warning("from \x1b[2J\nlib")

    assert "\x1b" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 2


def test_auto_means_columns_on_a_terminal_and_json_elsewhere() -> None:
    terminal = Terminal()
    logs.configure(service="demo", stream=terminal)
    logs.get_logger("a").info("shown")
    file = io.StringIO()
    logs.configure(service="demo", stream=file)
    logs.get_logger("a").info("written")

    assert not terminal.getvalue().startswith("{")
    assert json.loads(file.getvalue())["event"] == "written"
