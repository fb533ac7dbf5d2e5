"""The gateway's REST API as commands use it: finds the key, turns problem bodies into sentences."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import httpx2

from mailweir_cli.exits import CommandError, Exit

DEFAULT_URL: Final = "http://127.0.0.1:8080"
KEY_FILE: Final = "admin.key"
_SECONDS: Final = 30.0
_CODES: Final = MappingProxyType(
    {**dict.fromkeys((400, 409, 412, 422, 428), Exit.INVALID), 503: Exit.UNAVAILABLE}
)


class Refused(CommandError):
    """Raised when the API answers with a problem (RFC 9457); `problems` are path and sentence of each."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        """Take the status and the problem body."""
        self.status = status
        self.problems = [
            (str(p.get("path", "")), str(p.get("message", p.get("detail", ""))))
            for p in body.get("errors", ())
        ]
        title = str(body.get("detail") or body.get("title") or f"status {status}")
        lines = [f"{path or '(document)'}: {text}" for path, text in self.problems]
        super().__init__(_CODES.get(status, Exit.FAILED), title, *lines)


def read_key(data: Path) -> str:
    """Return the admin key of a data directory; raises CommandError where there is none."""
    path = data / KEY_FILE
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no key"
        raise CommandError(
            Exit.UNAVAILABLE,
            f"cannot read {path}: {reason}; name the data directory with --data, or give --key",
        ) from error


class Api:
    """One connection to the API. Every method raises CommandError, with one line, when it does not work."""

    def __init__(self, url: str, key: str, transport: httpx2.BaseTransport | None = None) -> None:
        """Take where it is and the key; `transport` is for tests."""
        self._url = url
        self._client = httpx2.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=_SECONDS,
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, path: str, **query: str | int) -> Any:
        """Return the decoded body of a resource."""
        return self.call("GET", path, query=query).json()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        text: str | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Do one request and return the response, which is a good one; its body is JSON, or a text."""
        head = {**(headers or {}), **({} if text is None else {"Content-Type": "text/plain"})}
        try:
            response = self._client.request(
                method, path, json=body, content=text, params=dict(query or {}), headers=head
            )
        except httpx2.HTTPError as error:
            raise CommandError(
                Exit.UNAVAILABLE,
                f"{self._url} does not answer: {str(error) or type(error).__name__}",
            ) from error
        if response.is_success:
            return response
        raise Refused(response.status_code, _problem(response))


def _problem(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {"title": f"status {response.status_code}"}
    return body if isinstance(body, dict) else {}
