"""Command lines: verbs, paths and parameters (RFC 5321 §4.1)."""

import re
from dataclasses import dataclass
from typing import Final

from mailweir_core.decision import Decision
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.phases import reject

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# A path in angle brackets, its quoted strings skipped over, and the parameters behind it.
_MAIL: Final = re.compile(r'FROM: *(<(?:[^">\s]|"(?:[^"\\]|\\.)*")*>)(?: +(.*))?', re.IGNORECASE)
_RCPT: Final = re.compile(r'TO: *(<(?:[^">\s]|"(?:[^"\\]|\\.)*")*>)(?: +(.*))?', re.IGNORECASE)
_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_MAX_SIZE_DIGITS: Final = 20  # RFC 1870 §3

HTTP_VERBS: Final = frozenset(
    {b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH", b"TRACE"}
)

SYNTAX_MAIL: Final = reject(
    Reason.BAD_SYNTAX, 501, "5.5.4", "Write MAIL FROM:<address> with its parameters"
)
SYNTAX_RCPT: Final = reject(Reason.BAD_SYNTAX, 501, "5.5.4", "Write RCPT TO:<address>")
_UNKNOWN_PARAMETER: Final = reject(Reason.BAD_SYNTAX, 555, "5.5.4", "A parameter is not known here")
_BAD_PARAMETER: Final = reject(Reason.BAD_SYNTAX, 501, "5.5.4", "A parameter has no such value")


@dataclass(frozen=True, slots=True)
class MailCommand:
    """MAIL as understood: the path in its brackets, and what the parameters declare."""

    path: str
    size: int = 0
    eight_bit: bool = False
    smtputf8: bool = False


def split_command(line: bytes) -> tuple[bytes, str] | None:
    """Return verb in upper case and argument, trimmed; None for a line with control characters.

    Bytes that are no UTF-8 are carried as surrogates, which no address and no name may have.
    """
    if _CONTROL.search(line):
        return None
    verb, _, argument = line.partition(b" ")
    return verb.upper(), argument.decode("utf-8", "surrogateescape").strip()


def read_mail(argument: str) -> MailCommand | Decision:
    """Return what MAIL says, or its refusal."""
    found = _MAIL.fullmatch(argument)
    if found is None:
        return SYNTAX_MAIL
    path, rest = found.groups()
    return _with_parameters(path, rest) if rest else MailCommand(path)


def read_rcpt(argument: str) -> str | Decision:
    """Return the path of RCPT, or its refusal; no parameter of RCPT is offered."""
    found = _RCPT.fullmatch(argument)
    if found is None:
        return SYNTAX_RCPT
    path: str = found[1]
    return _UNKNOWN_PARAMETER if found[2] else path


def _with_parameters(path: str, text: str) -> MailCommand | Decision:
    parameters = _parameters(text)
    if parameters is None:
        return _BAD_PARAMETER
    size = parameters.pop("SIZE", "0")
    body = parameters.pop("BODY", "7BIT").upper()
    smtputf8 = parameters.pop("SMTPUTF8", None)
    parameters.pop("AUTH", None)  # RFC 4954 §5: whom others name as author changes nothing here
    if parameters:
        return _UNKNOWN_PARAMETER
    size_is_good = size.isascii() and size.isdigit() and len(size) <= _MAX_SIZE_DIGITS
    if not size_is_good or body not in ("7BIT", "8BITMIME") or smtputf8:
        return _BAD_PARAMETER
    return MailCommand(path, int(size), body == "8BITMIME", smtputf8 is not None)


def _parameters(text: str) -> dict[str, str] | None:
    """Return the parameters by keyword in upper case; None for a bad keyword or one given twice."""
    found: dict[str, str] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        if not _KEYWORD.fullmatch(key) or key.upper() in found:
            return None
        found[key.upper()] = value
    return found
