"""Files that come along: what they are by their content, beside what they are called."""

from collections.abc import Iterator
from typing import Final

from mailweir_mail import Part
from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

PROGRAMS: Final = frozenset(
    {
        "application/vnd.microsoft.portable-executable", "application/x-elf", "application/x-mach-binary",
        "application/java-vm", "application/java-archive", "application/vnd.android.package-archive",
        "application/x-ms-shortcut", "text/x-encoded-script",
    }
)  # fmt: skip
"""Types that run when they are opened, as the content tells them."""

PROGRAM_NAMES: Final = frozenset(
    [
        "apk",
        "appx",
        "appxbundle",
        "bat",
        "chm",
        "cmd",
        "com",
        "cpl",
        "dll",
        "exe",
        "hta",
        "ins",
        "isp",
        "jar",
        "js",
        "jse",
        "lnk",
        "mde",
        "msc",
        "msi",
        "msix",
        "msp",
        "mst",
        "ocx",
        "pif",
        "ps1",
        "psc1",
        "reg",
        "scf",
        "scr",
        "sct",
        "shb",
        "sys",
        "url",
        "vb",
        "vbe",
        "vbs",
        "vbscript",
        "ws",
        "wsc",
        "wsf",
        "wsh",
        "xll",
    ]
)
"""Extensions that Windows, Android or Java run when they are opened."""

IMAGE_NAMES: Final = frozenset(["iso", "img", "vhd", "vhdx", "ace", "arj", "cab", "lzh", "wim"])
"""Disk images and archives that nobody sends in a letter: they hide a program from the mark of the web."""

DOCUMENT_NAMES: Final = frozenset(
    [
        "pdf",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "ppt",
        "pptx",
        "odt",
        "ods",
        "rtf",
        "txt",
        "csv",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "zip",
        "mp3",
        "mp4",
        "html",
    ]
)
PAGE_NAMES: Final = frozenset(["htm", "html", "shtml", "xhtml", "mht", "mhtml", "svg"])


@check("ATTACHMENT_PROGRAM", "ATTACHMENT_DOUBLE_NAME", "ATTACHMENT_IMAGE", "ATTACHMENT_PAGE")
def attachments(facts: Facts) -> Iterator[Hit]:
    """Programs, names that hide what a file is, disk images, and web pages to be opened from disk."""
    seen: set[str] = set()
    for part in view_of(facts).files:
        for symbol in _kinds(part):
            if symbol not in seen:
                seen.add(symbol)
                yield Hit(symbol, f"{part.filename or 'no name'} ({part.detected or part.type})")


def _kinds(part: Part) -> Iterator[str]:
    *front, extension = part.filename.lower().rstrip(". ").split(".") if part.filename else [""]
    extension = extension if front else ""
    named = extension in PROGRAM_NAMES
    if named or part.detected in PROGRAMS:
        yield "ATTACHMENT_PROGRAM"
    if named and len(front) > 1 and front[-1].strip() in DOCUMENT_NAMES:
        yield "ATTACHMENT_DOUBLE_NAME"
    if extension in IMAGE_NAMES:
        yield "ATTACHMENT_IMAGE"
    if (
        extension in PAGE_NAMES
        and part.disposition is not None
        and part.disposition.value == "attachment"
    ):
        yield "ATTACHMENT_PAGE"
