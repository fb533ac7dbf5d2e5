"""A real process around `run()`."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

SCRIPT = Path(__file__).with_name("demo_service.py")
WAIT_SECONDS = 15.0


class Demo:
    """The demo service as a process: what it says, what it logs, how it ends."""

    def __init__(self, **settings: object) -> None:
        """Start it; `settings` become MAILWEIR_DEMO_* variables."""
        environ = {f"MAILWEIR_DEMO_{name.upper()}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said: queue.Queue[str] = queue.Queue()
        self._errors: list[str] = []
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            self._reader(self.process.stdout, self._said.put),
            self._reader(self.process.stderr, self._errors.append),
        ]

    @staticmethod
    def _reader(stream: IO[str], take: Callable[[str], None]) -> threading.Thread:
        def read() -> None:
            for line in stream:
                take(line.rstrip("\n"))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def heard(self, word: str) -> str:
        """Wait until it says a line that begins with `word`; return the rest of the line."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._said.get(timeout=left)
            except queue.Empty:
                break
            if line.startswith(word):
                return line.removeprefix(word).strip()
        raise AssertionError(f"it never said {word!r}; its log: {self._errors}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for its end."""
        code = self.process.wait(WAIT_SECONDS)
        for reader in self._readers:
            reader.join(WAIT_SECONDS)
        return code

    @property
    def errors(self) -> list[str]:
        """Return the lines on standard error."""
        return self._errors

    def events(self) -> dict[str, dict[str, Any]]:
        """Return the last log line by event name."""
        lines = [json.loads(line) for line in self._errors if line.startswith("{")]
        return {line["event"]: line for line in lines}

    def close(self) -> None:
        """End it, and let go of its pipes."""
        if self.process.poll() is None:
            self.process.kill()
        self.exit_code()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def demo() -> Iterator[Callable[..., Demo]]:
    """Return a function that starts the demo service; all are ended with the test."""
    started: list[Demo] = []

    def start(**settings: object) -> Demo:
        started.append(Demo(**settings))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def fetch() -> Callable[[str], tuple[int, str]]:
    """Return a function that gets a page: its status and text."""

    def get(url: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return get
