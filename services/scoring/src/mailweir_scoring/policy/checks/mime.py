"""How a message is put together: MIME that is broken, ambiguous, or says one thing and is another."""

from collections.abc import Iterator
from typing import Final

from mailweir_mail import DefectKind
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check
from mailweir_scoring.policy.reading import shown_texts

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
    of_texts = (d for part in facts.texts for d in part.defects)
    noted = [d for d in (*facts.message.tree_defects, *of_texts) if d.where != "header"]
    for symbol, kinds in KINDS.items():
        found = next((d for d in noted if d.kind in kinds), None)
        if found is not None:
            yield Hit(symbol, f"{found.kind} in part {found.where or '(whole)'} {found.detail}")
    left = len(shown_texts(facts.message)) - len(facts.texts)
    if left:
        yield Hit("MIME_EXCESSIVE", f"{left} texts beyond those that are scanned")


@check("CHARSET_MISSING", "BASE64_ASCII_TEXT", "BASE64_ASCII_HTML")
def text_parts(facts: Facts) -> Iterator[Hit]:
    """Text without a declared charset, and text that is encoded although it need not be."""
    for part in facts.texts:
        plain_ascii = part.content.isascii()
        if not plain_ascii and not part.content_type.get("charset"):
            yield Hit("CHARSET_MISSING", f"part {part.number or '(whole)'}")
        if plain_ascii and part.encoding == "base64" and part.content:
            yield Hit("BASE64_ASCII_HTML" if part.is_html else "BASE64_ASCII_TEXT")


@check("BLANK")
def blank(facts: Facts) -> Iterator[Hit]:
    """Neither subject nor text nor attachment: a probe, or a mistake."""
    if facts.message.subject.strip() or facts.message.attachments:
        return
    if all(not part.text.strip() for part in facts.texts):
        yield Hit("BLANK")
