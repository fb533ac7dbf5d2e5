"""The server's TLS: from certificate files, TLS 1.2 and newer, renewed files taken up while running."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.logs import get_logger

RELOAD_SECONDS: Final = 60.0

_log = get_logger(__name__)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context for a certificate (with its chain) and its key. Raises StartupError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise StartupError(f"TLS: cannot use {certificate} with {key}: {error}") from error
    return context


async def reload_when_changed(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Take up renewed files for new handshakes, if they fit together; runs until cancelled."""
    seen = await asyncio.to_thread(_state, certificate, key)
    while True:
        await asyncio.sleep(RELOAD_SECONDS)
        now = await asyncio.to_thread(_state, certificate, key)
        if now in (seen, None):
            continue
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            _log.error("certificate_not_renewed", detail=str(error)[:200])
            continue
        seen = now
        _log.info("certificate_renewed", file=str(certificate))


def _state(*files: Path) -> tuple[tuple[int, int], ...] | None:
    """Return what changes when a file is replaced; None while one is missing."""
    try:
        return tuple((found.st_mtime_ns, found.st_ino) for found in map(Path.stat, files))
    except OSError:
        return None
