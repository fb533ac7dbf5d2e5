"""What runs inside documents: macros, scripts in pages and pictures, a PDF that is nothing but a link."""

import re
from typing import Final

PAGE_BYTES: Final = 262_144
"""Of a page or picture, what is searched."""
PDF_BYTES: Final = 1_048_576

_VBA: Final = (
    "_VBA_PROJECT".encode("utf-16-le"),
    "Macros".encode("utf-16-le"),
    "VBA".encode("utf-16-le"),
)
_SCRIPT: Final = re.compile(
    rb"<script|\bon(?:load|error|click|mouseover|begin)\s{0,9}=|javascript:", re.IGNORECASE
)
_DECODES: Final = re.compile(
    rb"\batob\s{0,9}\(|\bunescape\s{0,9}\(|\beval\s{0,9}\(|fromCharCode|document\.write|decodeURIComponent"
    rb"|createObjectURL|msSaveOrOpenBlob|window\.location|location\.(?:href|replace)|\\x[0-9a-f]{2}\\x[0-9a-f]{2}\\x",
    re.IGNORECASE,
)
_FORM: Final = re.compile(rb"<form\b|type\s{0,3}=\s{0,3}[\"']?password|<input\b", re.IGNORECASE)
_PASSWORD: Final = re.compile(rb"type\s{0,3}=\s{0,3}[\"']?password", re.IGNORECASE)


def has_macros(content: bytes, names: tuple[str, ...]) -> bool:
    """Say whether an Office file carries VBA: an OLE stream or a part of that name. `names` are its parts."""
    if content[:4] == b"\xd0\xcf\x11\xe0":
        return _VBA[0] in content or (_VBA[1] in content and _VBA[2] in content)
    return any(
        n.lower().endswith(("vbaproject.bin", "vbadata.xml")) or "/macrosheets/" in n.lower()
        for n in names
    )


def page_marks(content: bytes) -> frozenset[str]:
    """Return what a page or picture does: `script`, `decodes`, `form`, `password`."""
    head = content[:PAGE_BYTES]
    found = {"script": _SCRIPT, "decodes": _DECODES, "form": _FORM, "password": _PASSWORD}
    return frozenset(name for name, pattern in found.items() if pattern.search(head))


def pdf_marks(content: bytes) -> frozenset[str]:
    """Return what a PDF that is not packed does: `link`, `script`, `launch`, `encrypted`; `single` page."""
    head = content[:PDF_BYTES]
    marks = {
        "link": b"/URI", "script": b"/JavaScript", "launch": b"/Launch", "encrypted": b"/Encrypt",
    }  # fmt: skip
    found = {name for name, mark in marks.items() if mark in head}
    if head.count(b"/Type /Page") + head.count(b"/Type/Page") <= 2:
        found.add("single")
    return frozenset(found)
