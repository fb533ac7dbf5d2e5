"""How a message is put together: MIME that is broken, ambiguous, or says one thing and is another."""

from collections.abc import Iterator
from typing import Final

from mailweir_mail import DefectKind, Part
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

KINDS: Final = {
    # two readers see two messages: what the filter judged is not what the client shows
    "MIME_AMBIGUOUS": (
        DefectKind.BOUNDARY_REUSED,
        DefectKind.BOUNDARY_AFTER_CLOSE,
        DefectKind.PARAMETER_DUPLICATE,
        DefectKind.TRANSFER_COMPOSITE,
    ),
    "MIME_BROKEN": (
        DefectKind.BOUNDARY_MISSING,
        DefectKind.BOUNDARY_UNSEEN,
        DefectKind.CONTENT_TYPE,
        DefectKind.TRANSFER_UNKNOWN,
    ),
    "MIME_UNCLOSED": (DefectKind.BOUNDARY_UNCLOSED,),
    "MIME_ENCODING": (DefectKind.BASE64, DefectKind.QUOTED_PRINTABLE, DefectKind.UUENCODE),
    "MIME_CHARSET": (DefectKind.CHARSET_UNKNOWN, DefectKind.CHARSET_BROKEN),
    "MIME_NUL": (DefectKind.NUL,),
    "MIME_EXCESSIVE": (
        DefectKind.PARTS_LIMIT,
        DefectKind.DEPTH_LIMIT,
        DefectKind.LINKS_LIMIT,
    ),
}


@check(*KINDS)
def defects(facts: Facts) -> Iterator[Hit]:
    """What the parser noted, by how much it means."""
    of_parts = [d for d in facts.message.defects if d.where != "header"]
    for symbol, kinds in KINDS.items():
        found = next((d for d in of_parts if d.kind in kinds), None)
        if found is not None:
            yield Hit(symbol, f"{found.kind} in part {found.where or '(whole)'} {found.detail}")


@check("CHARSET_MISSING", "BASE64_ASCII_TEXT", "BASE64_ASCII_HTML")
def text_parts(facts: Facts) -> Iterator[Hit]:
    """Text without a declared charset, and text that is encoded although it need not be."""
    for part in text_leaves(facts):
        plain_ascii = part.content.isascii()
        if not plain_ascii and not part.content_type.get("charset"):
            yield Hit("CHARSET_MISSING", f"part {part.number or '(whole)'}")
        if plain_ascii and part.encoding == "base64" and part.content:
            yield Hit("BASE64_ASCII_HTML" if part.is_html else "BASE64_ASCII_TEXT")


def text_leaves(facts: Facts) -> Iterator[Part]:
    """Yield the parts that a client shows as text: neither attachments nor parts of embedded messages."""
    message = facts.message
    for part in dict.fromkeys((*message.text_parts, *message.html_parts)):
        if part.is_text:
            yield part


@check("BLANK")
def blank(facts: Facts) -> Iterator[Hit]:
    """Neither subject nor text nor attachment: a probe, or a mistake."""
    message = facts.message
    if not message.subject.strip() and not message.text.strip() and not message.attachments:
        yield Hit("BLANK")
