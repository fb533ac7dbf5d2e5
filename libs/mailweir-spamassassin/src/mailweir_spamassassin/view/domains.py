"""Hosts, top-level domains, and where a registered domain begins, by the lists of the rule set."""

import re
from ipaddress import ip_address
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_PLAIN: Final = re.compile(r"[a-z0-9_.:\[\]-]*\Z")
_FULL_STOPS: Final = re.compile("[\u3002\uff0e\uff61]")
_SCHEME: Final = re.compile(r"\A[a-z]+:/{0,2}")
_PATH: Final = re.compile(r"[/?#].*", re.DOTALL)
_USER: Final = re.compile(r"\A[^/]*@")
_PORT: Final = re.compile(r":\d*\Z")
_NO_HOST: Final = re.compile(r"(?:javascript|cid|file):")
_HEX: Final = re.compile(r"%(?:2[1-9a-f]|[3-6][0-9a-f]|7[0-9a-e])")
_MAX_HOST: Final = 253
_LAST_LABELS: Final = 2
_MOST_LABELS: Final = 4


class Domains:
    """Where domains are registered: the top-level domains and those of two or more labels."""

    def __init__(self, top: frozenset[str], longer: frozenset[str]) -> None:
        """Take the lists, in lower case."""
        self._top = top
        self._longer = longer

    def is_top(self, label: str) -> bool:
        """Say whether a label is a top-level domain that exists."""
        return label.lower() in self._top

    def is_valid(self, host: str) -> bool:
        """Say whether a host ends in a top-level domain that exists."""
        before, dot, label = to_ascii(host).rpartition(".")
        return bool(dot) and label in self._top and not any(map(str.isspace, before))

    def registered(self, host: str) -> str:
        """Return the part of a host that was registered: `foo.co.uk` of `www.foo.co.uk`."""
        labels = [label for label in to_ascii(host).split(".") if label]
        for size in range(min(_MOST_LABELS, len(labels) - 1), 1, -1):
            if ".".join(labels[-size:]) in self._longer:
                return ".".join(labels[-size - 1 :])
        return ".".join(labels[-_LAST_LABELS:])

    def of_uri(self, uri: str) -> tuple[str, str] | None:
        """Return the registered domain and the host of an address; None where it has no valid one."""
        host = _host(uri.lower())
        if host is None or _HEX.search(host):
            return None
        host = to_ascii(host)
        if is_ip(host):
            return host, host
        if not is_host(host) or not self.is_valid(host):
            return None
        return self.registered(host), host


def _host(uri: str) -> str | None:
    if _NO_HOST.match(uri):
        return None
    if uri.startswith("mailto:"):
        pieces = uri[7:].partition("?")[0].split("@")
        return pieces[1] if len(pieces) == 2 else None
    uri = _PATH.sub("", _SCHEME.sub("", uri))
    return _PORT.sub("", _USER.sub("", uri))


def is_ip(host: str) -> bool:
    """Say whether a host is an IP address."""
    if not host or not (host[-1].isdigit() or ":" in host):
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_host(host: str) -> bool:
    """Say whether this is a name of two labels or more, without underscores in the last two."""
    host = host.rstrip(".")
    labels = host.split(".")
    if len(host) > _MAX_HOST or len(labels) < _LAST_LABELS:
        return False
    return all(map(_LABEL.match, labels)) and "_" not in labels[-1] and "_" not in labels[-2]


def to_ascii(host: str) -> str:
    """Return a host in lower case, its international labels in their ASCII form if they have one.

    `host` has an octet per character, UTF-8, as all addresses here.
    """
    lower = host.lower()
    if _PLAIN.match(lower) or len(host) > 2 * _MAX_HOST:
        return lower
    try:
        text = _FULL_STOPS.sub(".", host.encode("latin-1").decode("utf-8"))
        return text.encode("idna").decode("ascii").lower()
    except (UnicodeError, ValueError):
        return lower
