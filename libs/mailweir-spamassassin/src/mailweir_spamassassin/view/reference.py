"""A reference in a page to an absolute address (RFC 3986 §5.2, not strict: a repeated scheme is dropped)."""

import re
from typing import Final

_PARTS: Final = re.compile(
    r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)
_LEADING: Final = re.compile(r"\A\.\.?/")
_WEB: Final = re.compile(r"www\d*\.", re.IGNORECASE)
_FTP: Final = re.compile(r"ftp\d*\.", re.IGNORECASE)
_Parts = tuple[str | None, str | None, str, str | None, str | None]


def resolve(base: str, reference: str) -> str:
    """Return `reference` seen from `base`, which may be empty."""
    scheme, authority, path, query, fragment = _split(reference)
    of_base = _split(base)
    if scheme is not None and scheme == of_base[0]:
        scheme = None
    if scheme is not None or authority is not None:
        path = _without_dots(path)
        scheme = scheme if scheme is not None else of_base[0]
    else:
        authority, path, query = _relative(path, query, of_base)
        scheme = of_base[0]
    return _joined((scheme, authority, path, query, fragment))


def _split(uri: str) -> _Parts:
    found = _PARTS.match(uri)
    if found is None:
        return None, None, uri, None, None
    return found[1], found[2], found[3], found[4], found[5]


def _relative(path: str, query: str | None, base: _Parts) -> tuple[str | None, str, str | None]:
    _, authority, base_path, base_query, _ = base
    if not path:
        return authority, base_path, base_query if query is None else query
    if not path.startswith("/"):
        path = "/" + path if authority is not None and not base_path else _merged(base_path, path)
    return authority, _without_dots(path), query


def _merged(base_path: str, path: str) -> str:
    return base_path[: base_path.rfind("/") + 1] + path


def _without_dots(path: str) -> str:
    path = _LEADING.sub("/", path)
    if "/." not in path:
        return path
    out: list[str] = []
    pieces = path.split("/")
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        if piece in (".", ".."):
            if piece == ".." and len(out) > 1:
                out.pop()
            if last:
                out.append("")
        else:
            out.append(piece)
    return "/".join(out)


def _joined(parts: _Parts) -> str:
    scheme, authority, path, query, fragment = parts
    out = ""
    if scheme:
        out = scheme + ":"
    elif authority is not None:
        out = "http:" if _WEB.match(authority) else "ftp:" if _FTP.match(authority) else ""
    if authority is not None:
        out += "//" + authority
    out += path
    if query is not None:
        out += "?" + query
    return out if fragment is None else out + "#" + fragment
