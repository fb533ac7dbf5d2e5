"""An address in all its forms: as written, with tricks undone, and what it redirects to."""

import re
from typing import Final

from .domains import to_ascii
from .site import Site

MAX_FORMS: Final = 64
"""Forms of one address; redirectors may name redirectors."""
MAX_URI: Final = 8192
_NO_URI: Final = re.compile(r"[#?&]|/(?!/)")
_MAILTO: Final = re.compile(r"mailto:|[^:]*@", re.IGNORECASE)
_MAIL_FORMS: Final = (
    (re.compile(r"([^@]+@[^?]+)\?"), ""),
    (re.compile(r"([^@]+@[^?&]+)&"), ""),
)
_MAIL_SPACED: Final = re.compile(r"(?:mailto:)?(?:%20)*([^@]+@[^?&%]+)")
_MAIL_BRACKETS: Final = re.compile(r"[^?&]*<([^@>]+@[^>]+)>")
_SLASHES: Final = re.compile(r"\A(https?:)/{0,2}", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[-_a-z0-9]+:", re.IGNORECASE)
_NO_PATH: Final = re.compile(r"\A(https?://[^/?#]+)([?#])", re.IGNORECASE)
_HEX: Final = re.compile(r"%([0-9a-fA-F]{2})")
_TO_ENCODE: Final = re.compile('[\x00-\x20\x7f-\xff"%<>]')
_DECIMAL: Final = re.compile(r"&#0*(3[3-9]|[4-9]\d|1[01]\d|12[0-6]);")
_HEXADECIMAL: Final = re.compile(r"&#x0*(2[1-9]|[3-6][a-f0-9]|7[0-9a-e]);", re.IGNORECASE)
_STOPS: Final = re.compile(r"&#(?:x2e|12290|x3002|65294|xff0e|65377|xff61);", re.IGNORECASE)
_WEB: Final = re.compile(
    r"(https?://)([^@/?#]*@)?([^/?#:]+)((?::(\d*))?.*)\Z", re.IGNORECASE | re.DOTALL
)
_NESTED: Final = re.compile(r"(https?:/{0,2}[^&#]+)", re.IGNORECASE)
_DOTTED: Final = re.compile(
    r"(0x[0-9a-f]{1,9}|\d{1,12})(?:\.(?:0x[0-9a-f]{1,9}|\d{1,12})){3}\Z", re.IGNORECASE
)
_SINGLE: Final = re.compile(r"0x[0-9a-f]{1,40}\Z|\d{1,40}\Z", re.IGNORECASE)
_PRINTABLE: Final = range(0x21, 0x7F)
_BARE: Final = re.compile(r"(?:www\.)?([^.]+)\Z")
_TRAILING: Final = re.compile(r"[^0-9A-Za-z]+\Z")
_CONTROLS: Final = re.compile("[\x00-\x20]")


def forms(uri: str, site: Site) -> list[str]:
    """Return the address as given and its other forms, an octet per character."""
    found: dict[str, None] = {}
    waiting = [uri]
    while waiting and len(found) < MAX_FORMS:
        _forms(waiting.pop(0), found, waiting, site)
    return [form[:MAX_URI] for form in found]


def _forms(uri: str, found: dict[str, None], waiting: list[str], site: Site) -> None:
    uri = uri.replace("\n", "").strip(" \t\r\f\v").replace("\r", "")
    if len(uri) <= 1 or _NO_URI.match(uri):
        if uri:
            found[uri] = None
        return
    if uri in found:
        return
    found[uri] = None
    if _MAILTO.match(uri):
        found.update(dict.fromkeys(_mail_forms(uri)))
        return
    form = _untricked(uri)
    found[form] = None
    web = _WEB.match(form)
    if web:
        _web_forms(web, found, waiting, site)


def _mail_forms(uri: str) -> list[str]:
    out = [match[1] for pattern, _ in _MAIL_FORMS if (match := pattern.match(uri))]
    if "%20" in uri:
        spaced = _MAIL_SPACED.match(uri)
        if spaced:
            out.append("mailto:" + spaced[1])
    if "<" in uri:
        bracketed = _MAIL_BRACKETS.match(uri)
        if bracketed:
            out.append("mailto:" + bracketed[1])
    return out


def _untricked(uri: str) -> str:
    uri = _SLASHES.sub(r"\1//", uri.replace("\\", "/"))
    if "%" in uri and _HEX.search(uri):
        uri = url_encoded(uri)
    if not _SCHEME.match(uri):
        uri = ("ftp://" if uri.startswith("ftp.") else "http://") + uri
    uri = _NO_PATH.sub(r"\1/\2", uri)
    if "&#" in uri:
        uri = _DECIMAL.sub(lambda found: chr(int(found[1])), uri)
        uri = _HEXADECIMAL.sub(lambda found: chr(int(found[1], 16)), uri)
        uri = _STOPS.sub(".", uri)
    return uri


def url_encoded(uri: str) -> str:
    """Decode what needs no encoding and encode what does."""
    out, at = [], 0
    for found in _HEX.finditer(uri):
        out.append(_TO_ENCODE.sub(_encoded, uri[at : found.start()]))
        code = int(found[1], 16)
        out.append(chr(code) if code in _PRINTABLE else found[0])
        at = found.end()
    out.append(_TO_ENCODE.sub(_encoded, uri[at:]))
    return "".join(out)


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02x}"


def _web_forms(web: re.Match[str], found: dict[str, None], waiting: list[str], site: Site) -> None:
    scheme, host, rest = web[1], web[3], web[4]
    is_plain = scheme == "http://"
    port = web[5] or ("80" if is_plain else "443")
    if web[5]:
        standard = ":80" if is_plain else ":443"
        without = rest[len(standard) :]
        if rest.startswith(standard) and not without[:1].isalnum():
            found[scheme + host + without] = None
    ascii_host = to_ascii(host)
    if ascii_host != host.lower():
        host = ascii_host
        found[scheme + host + rest] = None
    if _CONTROLS.search(host):
        host = _CONTROLS.sub("", host)
        found[scheme + host + rest] = None
    target = _redirected(scheme + host + rest, rest, site)
    if target:
        waiting.append(target)
    if _TRAILING.search(host):
        host = _TRAILING.sub("", host)
        found[scheme + host + rest] = None
    number = _as_ip(host)
    if number:
        found[scheme + number + rest] = None
    elif is_plain and not web[2] and port == "80" and ascii_host != "localhost":
        bare = _BARE.match(ascii_host)
        if bare and not site.domains.is_valid(ascii_host):
            found[f"{scheme}www.{bare[1]}.com{rest}"] = None


def _redirected(uri: str, rest: str, site: Site) -> str:
    for pattern in site.redirectors:
        found = pattern.search(uri)
        if found and found.re.groups and found[1] and "." in found[1]:
            return found[1]
    nested = _NESTED.search(rest)
    return nested[1] if nested and "." in nested[1] else ""


def _as_ip(host: str) -> str:
    """Return an address written in hexadecimal, octal or as one number in its usual form; empty for names."""
    if _DOTTED.match(host):
        return ".".join(str(_number(part)) for part in host.split("."))
    if _SINGLE.match(host):
        value = (int(host, 16) if host[:2] in ("0x", "0X") else int(host)) & 0xFFFFFFFF
        return ".".join(str(value >> shift & 0xFF) for shift in (24, 16, 8, 0))
    return ""


def _number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part, 16)
    is_octal = part.startswith("0") and part.isdecimal() and not set(part) & set("89")
    return int(part, 8) if is_octal else int(part)
