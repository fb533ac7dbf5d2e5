"""Files by what is in them: archives by their directories, documents and pages by what they run."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_mail import Part
from mailweir_scoring.policy.checks.attachments import IMAGE_NAMES, PAGE_NAMES, PROGRAM_NAMES
from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.files.archive import Listing, listing
from mailweir_scoring.policy.files.inside import has_macros, page_marks, pdf_marks
from mailweir_scoring.policy.pipeline import check

MOST_FILES: Final = 20
"""Attachments of one message that are looked into."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all attachments together, what is decoded to be looked into."""
BOMB_RATIO: Final = 200
"""Times its packed size: no honest document is so empty."""
BOMB_BYTES: Final = 100_000_000
ARCHIVES: Final = frozenset(
    {"application/zip", "application/vnd.rar", "application/x-7z-compressed", "application/x-tar"}
)
DISK_IMAGES: Final = frozenset(
    {
        "application/x-iso9660-image",
        "application/x-vhd",
        "application/x-vhdx",
        "application/x-ms-wim",
    }
)
_OFFICE: Final = (
    "openxmlformats",
    "ms-excel",
    "msword",
    "ms-powerpoint",
    "x-ole-storage",
    "ms-word",
)
_LOOKED_INTO: Final = ("zip", "rar", "7z", "tar", "html", "svg", "pdf", "xml", "gzip", *_OFFICE)
# What a type is called by, and what it must then be by its content; for others any content goes.
_CLAIMS: Final = {
    "application/pdf": ("application/pdf",),
    "image/jpeg": ("image/",), "image/png": ("image/",), "image/gif": ("image/",),
}  # fmt: skip


@check("ARCHIVE_ENCRYPTED", "ARCHIVE_PROGRAM", "ARCHIVE_BOMB", "ARCHIVE_NESTED", "OFFICE_MACRO")
def archives(facts: Facts) -> Iterator[Hit]:
    """Archives that are locked, hide a program, or would unpack to far too much; documents with macros."""
    seen: set[str] = set()
    for part in _opened(facts):
        kind = part.detected
        if "zip" not in kind and kind not in ARCHIVES and not any(o in kind for o in _OFFICE):
            continue
        found = listing(part.content, kind)
        for symbol, evidence in _in_archive(part, found):
            if symbol not in seen:
                seen.add(symbol)
                yield Hit(symbol, f"{part.filename}: {evidence}")


def _opened(facts: Facts) -> Iterator[Part]:
    left = MOST_BYTES
    for part in view_of(facts).files[:MOST_FILES]:
        left -= part.body_end - part.body_start
        if left < 0:
            return
        if any(name in part.detected for name in _LOOKED_INTO):
            yield part


def _in_archive(part: Part, found: Listing) -> Iterator[tuple[str, str]]:
    names = tuple(e.name for e in found.entries)
    if any(o in part.detected for o in _OFFICE):
        if has_macros(part.content, names):
            yield "OFFICE_MACRO", "macros"
        return
    if found.encrypted:
        yield "ARCHIVE_ENCRYPTED", "names hidden" if found.hidden else names[0]
    ends = [n.lower().rpartition(".")[2] for n in names if "." in n]
    program = next(
        (
            n
            for n, end in zip(names, ends, strict=False)
            if end in PROGRAM_NAMES or end in IMAGE_NAMES
        ),
        "",
    )
    if program:
        yield "ARCHIVE_PROGRAM", program
    if any(end in ("zip", "rar", "7z", "gz", "ace", "cab") for end in ends):
        yield "ARCHIVE_NESTED", ", ".join(names[:2])
    packed, size = sum(e.packed for e in found.entries), sum(e.size for e in found.entries)
    if size > BOMB_BYTES and size > BOMB_RATIO * max(packed, 1):
        yield "ARCHIVE_BOMB", f"{packed} octets for {size}"


@check("PAGE_FORM", "PAGE_DECODES", "SVG_SCRIPT", "PDF_ACTIVE", "PDF_LINK_ONLY")
def documents(facts: Facts) -> Iterator[Hit]:
    """Pages that ask for something or unpack themselves, pictures with scripts, a PDF that is a link."""
    for part in _opened(facts):
        kind = part.detected
        if kind == "image/svg+xml" and page_marks(part.content) & {"script", "decodes"}:
            yield Hit("SVG_SCRIPT", part.filename)
        elif kind == "text/html" and part.filename:
            marks = page_marks(part.content)
            if "password" in marks or {"form", "script"} <= marks:
                yield Hit("PAGE_FORM", part.filename)
            if "decodes" in marks:
                yield Hit("PAGE_DECODES", part.filename)
        elif kind == "application/pdf":
            marks = pdf_marks(part.content)
            if marks & {"script", "launch"}:
                yield Hit("PDF_ACTIVE", part.filename)
            if {"link", "single"} <= marks and _says_little(facts):
                yield Hit("PDF_LINK_ONLY", part.filename)


def _says_little(facts: Facts) -> bool:
    view = view_of(facts)
    return (
        view.shown.count(" ") < 40
        and not view.targets
        and not view.message.headers.get("in-reply-to")
    )


@check("ATTACHMENT_TYPE_OTHER", "ATTACHMENT_NAME_HIDDEN", "DISK_IMAGE")
def claims(facts: Facts) -> Iterator[Hit]:
    """A file that is not what its type says, or whose name shows as another."""
    for part in view_of(facts).files[:MOST_FILES]:
        allowed = _CLAIMS.get(part.type)
        if allowed and part.detected and not part.detected.startswith(allowed):
            yield Hit("ATTACHMENT_TYPE_OTHER", f"{part.filename}: {part.type}, is {part.detected}")
        if any(mark in part.filename for mark in ("\u202e", "\u200f", "\u2067", "      ")):
            yield Hit("ATTACHMENT_NAME_HIDDEN", part.filename)
        if part.detected in DISK_IMAGES:
            yield Hit("DISK_IMAGE", f"{part.filename}: {part.detected}")


_POSES: Final = re.compile(
    r"payment|remit|advice|swift|invoice|inv[ _-]?\d|voice ?mail|voice ?(?:message|note)|\bvm[_ -]|\bfax"
    r"|scan(?:ned)?[_ -]?\d|purchase[ _-]?order|quotation|payroll|salary|rechnung|zahlung"
    r"|mahnung|facture|paiement|factura|pago|fattura|pagamento|fatura|boleto|factuur|betaling|faktur|platnosc"
    r"|przelew|odeme|счет|оплат|накладн|发票|付款|請求書|請款|청구서|فاتورة|hóa đơn",
    re.IGNORECASE,
)
_FRONTS: Final = frozenset(
    {
        "pdf",
        "wav",
        "mp3",
        "m4a",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "jpg",
        "png",
        "tif",
        "txt",
        "zip",
        "eml",
    }
)


@check("PAGE_POSES")
def poses(facts: Facts) -> Iterator[Hit]:
    """A web page that is named as if it were a recording, a document or a payment."""
    for part in view_of(facts).files[:MOST_FILES]:
        *front, end = part.filename.lower().split(".")
        if not front or end not in PAGE_NAMES or end == "svg":
            continue
        if (len(front) > 1 and front[-1].strip() in _FRONTS) or _POSES.search(part.filename):
            yield Hit("PAGE_POSES", part.filename)
            return
