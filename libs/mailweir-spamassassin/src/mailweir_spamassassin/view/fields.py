"""Header fields and pseudo-headers by name and modifier."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .addresses import parse_addresses
from .domains import is_host, to_ascii
from .headertext import decode_value, decode_words

if TYPE_CHECKING:
    from .message import View

MAX_KEY: Final = 256
MAX_VALUE: Final = 8192
MAX_ALL: Final = 65_536
"""Of a field's name, of its value, and of all fields together as ALL shows them."""
_SINGLE_QUOTED: Final = re.compile(rb"\A'(.*?)'\Z", re.DOTALL)
_SPACES: Final = re.compile(rb"\s+")
_AT_HOST: Final = re.compile(r".*@(\S+)")
_HOST: Final = re.compile(
    r"(?<![._-])([^\s@<>()\[\],;:\"]{1,251}\.[a-z0-9-]{2,63})(?![._-])", re.IGNORECASE
)
_IP: Final = re.compile(
    r"(?<![.\d])(\d{1,3}(?:\.\d{1,3}){3})(?![.\d])|\[(?:IPv6:)?([0-9a-f:]{2,39})\]", re.IGNORECASE
)
_FOR: Final = re.compile(rb" for <?(\S+@(\S+?))>?;")
_RELAYS: Final = {
    "x-spam-relays-trusted": "trusted",
    "x-spam-relays-untrusted": "untrusted",
    "x-spam-relays-internal": "internal",
    "x-spam-relays-external": "external",
}
_PSEUDO: Final = frozenset(
    {
        "all",
        "all-trusted",
        "all-internal",
        "all-untrusted",
        "all-external",
        "envelopefrom",
        "tocc",
        "messageid",
    }
    | set(_RELAYS)
)
_PARTS_OF_ALL: Final = ("ALL-TRUSTED", "ALL-INTERNAL", "ALL-UNTRUSTED", "ALL-EXTERNAL")
_MESSAGE_IDS: Final = ("x-message-id", "resent-message-id", "x-original-message-id", "message-id")
_RECIPIENTS: Final = [
    "To",
    "Apparently-To",
    "Delivered-To",
    "Envelope-Recipients",
    "Apparently-Resent-To",
    "X-Envelope-To",
    "Envelope-To",
    "X-Delivered-To",
    "X-Original-To",
    "X-Rcpt-To",
    "X-Real-To",
    "Cc",
]


class Fields:
    """The fields of one message. Values are made when asked for and kept."""

    def __init__(self, view: "View") -> None:
        """Take the view; its headers are read when first needed."""
        self._view = view
        self._cache: dict[tuple[str, str], tuple[bytes, ...]] = {}
        self._decoded: dict[str, list[bytes]] = {}
        self._raw: dict[str, list[bytes]] = {}
        self._order: list[tuple[bytes, str]] = []
        self.truncated = False
        for field in view.message.headers:
            name, value = field.name, field.value.replace(b"\r\n", b"\n")
            if len(name) > MAX_KEY or len(value) > MAX_VALUE:
                self.truncated = True
            key = name[:MAX_KEY].lower()
            self._raw.setdefault(key, []).append(value[:MAX_VALUE])
            self._order.append((name[:MAX_KEY].encode("ascii", "replace"), key))

    def raw_values(self, name: str) -> list[bytes]:
        """Return the values of a field (name in lower case) as they came."""
        return self._raw.get(name, [])

    def get(self, name: str, modifier: str) -> bytes | None:
        """Return the values joined, on a line each; None for none."""
        lower = name.lower()
        if lower not in self._raw and lower not in _PSEUDO:
            return None  # most rules ask for fields that most messages lack
        values = self.all(name, modifier)
        if not values:
            return None
        return (b"" if values[0].endswith(b"\n") else b"\n").join(values)

    def all(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        """Return the values, each with its line end where it is a whole field."""
        key = (name, modifier)
        if key not in self._cache:
            self._cache[key] = tuple(self._modified(name, frozenset(modifier.split(":"))))
        return self._cache[key]

    def _modified(self, name: str, modifiers: frozenset[str]) -> list[bytes]:
        wants_addresses = "addr" in modifiers or "name" in modifiers
        values = self._plain(name, raw="raw" in modifiers, needs_raw=wants_addresses)
        if "first" in modifiers:
            values = values[:1]
        elif "last" in modifiers:
            values = values[-1:]
        if "addr" in modifiers:
            values = [
                entry.address
                for value in values
                for entry in parse_addresses(value)
                if entry.address is not None
            ]
        elif "name" in modifiers:
            values = list(_names(values, raw="raw" in modifiers))
        if "host" in modifiers or "domain" in modifiers:
            return list(self._hosts(values, modifiers))
        if "ip" in modifiers or "revip" in modifiers:
            return [ip for value in values if (ip := _ip(value, reverse="revip" in modifiers))]
        return values

    def _plain(self, name: str, *, raw: bool, needs_raw: bool) -> list[bytes]:
        lower = name.lower()
        if name == "ALL":
            return self._all(raw=raw)
        if name in _PARTS_OF_ALL:
            return self._part_of_all(name, raw=raw)
        if lower == "envelopefrom":
            sender = self._view.envelope_sender
            return [] if sender is None else [sender]
        if lower in _RELAYS:
            relays = getattr(self._view.trail, _RELAYS[lower])
            return [" ".join(map(str, relays)).encode("latin-1", "replace")]
        if lower == "tocc":
            return [*self._values("to", raw=raw), *self._values("cc", raw=raw)]
        if name == "MESSAGEID":
            return [value for key in _MESSAGE_IDS for value in self._values(key, raw=raw) if value]
        return (
            self._values(lower, raw=True)
            if needs_raw and not raw
            else self._values(lower, raw=raw, exact=True)
        )

    def _values(self, key: str, *, raw: bool, exact: bool = False) -> list[bytes]:
        values = self._raw.get(key, [])
        if raw:
            return list(values) if exact else [_folded(value) for value in values]
        if key not in self._decoded:
            self._decoded[key] = [decode_value(value, key) + b"\n" for value in values]
        return self._decoded[key]

    def _all(self, *, raw: bool) -> list[bytes]:
        if raw:
            return [
                name + b":" + value
                for (name, _), value in zip(self._order, self._in_order(), strict=True)
            ]
        out, size = [], 0
        decoded = {key: iter(self._values(key, raw=False)) for key in self._raw}
        for name, key in self._order:
            line = name + b": " + next(decoded[key])
            size += len(line)
            if size > MAX_ALL:
                self.truncated = True
                break
            out.append(line)
        return out

    def _in_order(self) -> Iterator[bytes]:
        places = {key: iter(values) for key, values in self._raw.items()}
        for _, key in self._order:
            yield next(places[key])

    def _part_of_all(self, name: str, *, raw: bool) -> list[bytes]:
        """Return the fields above, or from, the Received field of the last relay that is believed."""
        trail = self._view.trail
        last = trail.last_trusted if "TRUSTED" in name else trail.last_internal
        border, upper = last + 1, name in ("ALL-TRUSTED", "ALL-INTERNAL")
        out, index = [], -1
        for line in self._all(raw=raw):
            if line[:9].lower() == b"received:":
                index += 1
            if upper and index <= border:
                out.append(line)
                if index == border:
                    break
            elif not upper and index >= border:
                out.append(line)
        return out

    def _hosts(self, values: list[bytes], modifiers: frozenset[str]) -> Iterator[bytes]:
        for value in values:
            text = value.decode("latin-1")
            host = self._host(text, is_address="addr" in modifiers)
            if host:
                if "domain" in modifiers:
                    host = self._view.site.domains.registered(host)
                yield host.encode("latin-1", "replace")

    def _host(self, text: str, *, is_address: bool) -> str:
        if is_address:
            found = _AT_HOST.match(text)
            return found[1] if found else ""
        domains = self._view.site.domains
        candidates = [found[1] for found in _HOST.finditer(text[:MAX_VALUE])]
        after_at = [host for host in candidates if "@" + host in text]
        for host in (*after_at[-1:], *candidates):
            if is_host(to_ascii(host)) and domains.is_valid(host):
                return host
        return ""

    def stands_below_received(self, name: str) -> bool:
        """Say whether a field stands below a Received field: then a list may have passed it on."""
        keys = [key for _, key in self._order]
        return "received" in keys and name in keys[keys.index("received") :]

    @property
    def was_fetched(self) -> bool:
        """Say whether a mail fetcher guessed the sender from a list's X-Sender field."""
        sender = self.all("X-Sender", "first:addr")
        return bool(sender) and any(b"(fetchmail" in line for line in self.all("Received"))

    def recipients(self) -> Iterator[bytes]:
        """Go through all addresses that are named as recipients, of Resent fields if there are any."""
        resent = [*self.all("Resent-To", "first:addr"), *self.all("Resent-Cc", "first:addr")]
        if resent:
            yield from resent
            return
        for line in self.all("Received")[:3]:
            found = _FOR.search(line)
            if found and is_host(found[2].decode("latin-1").lower()):
                yield found[1]
        for name in _RECIPIENTS:
            yield from self.all(name, "addr")


def _folded(value: bytes) -> bytes:
    return re.sub(rb"\r?\n\s+", b" ", value)


def _names(values: list[bytes], *, raw: bool) -> Iterator[bytes]:
    for value in values:
        for entry in parse_addresses(value):
            if entry.phrase is None:
                continue
            if raw:
                yield entry.phrase
                continue
            name = decode_words(entry.phrase)
            if name.strip():
                name = _SINGLE_QUOTED.sub(rb"\1", _SPACES.sub(b" ", name).strip())
            yield name


def _ip(value: bytes, *, reverse: bool) -> bytes:
    found = _IP.search(value.decode("latin-1"))
    if found is None:
        return b""
    text = found[1] or found[2]
    if reverse and found[1]:
        text = ".".join(reversed(text.split(".")))
    return text.encode("latin-1")
