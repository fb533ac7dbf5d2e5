"""What is wrong with a message, as values: a closed set of kinds."""

from dataclasses import dataclass
from enum import StrEnum


class DefectKind(StrEnum):
    """The kinds of defect. `*_limit` says that something lies beyond a limit and was not looked at."""

    HEADER_LINES_LIMIT = "header_lines_limit"
    HEADER_BYTES_LIMIT = "header_bytes_limit"
    FIELD_BYTES_LIMIT = "field_bytes_limit"
    PARTS_LIMIT = "parts_limit"
    DEPTH_LIMIT = "depth_limit"
    RECEIVED_LIMIT = "received_limit"
    TEXT_LIMIT = "text_limit"
    HTML_LIMIT = "html_limit"
    HTML_TREE_LIMIT = "html_tree_limit"
    """HTML that was read tag by tag, since a tree of it would be too costly; nothing is left out."""
    LINKS_LIMIT = "links_limit"
    ADDRESSES_LIMIT = "addresses_limit"

    HEADER_JUNK = "header_junk"
    """A line among the header fields that is no field; a relay may take it for the body's begin."""
    HEADER_MBOX = "header_mbox"
    """A `From ` line of the mbox format before the header."""
    HEADER_8BIT = "header_8bit"
    """Octets over 127 in a field that are neither encoded nor UTF-8."""
    HEADER_SEPARATOR = "header_separator"
    """The body begins without an empty line after the header."""
    ENCODED_WORD = "encoded_word"
    """An RFC 2047 word that is broken or of an unknown charset."""

    CONTENT_TYPE = "content_type"
    """A Content-Type that cannot be read, or more than one."""
    PARAMETER_DUPLICATE = "parameter_duplicate"
    """A parameter given twice with different values: readers differ in which they take."""
    BOUNDARY_MISSING = "boundary_missing"
    """A multipart without a usable boundary parameter."""
    BOUNDARY_UNSEEN = "boundary_unseen"
    """A multipart whose boundary never occurs."""
    BOUNDARY_UNCLOSED = "boundary_unclosed"
    """A multipart without its closing delimiter."""
    BOUNDARY_PREFIX = "boundary_prefix"
    """A delimiter line with more text after the boundary: readers differ in whether it is one."""
    BOUNDARY_REUSED = "boundary_reused"
    """A multipart with the boundary of one around it."""
    BOUNDARY_AFTER_CLOSE = "boundary_after_close"
    """A delimiter of a multipart that was closed before: some readers go on, some stop."""
    TRANSFER_UNKNOWN = "transfer_unknown"
    """A Content-Transfer-Encoding that is none."""
    TRANSFER_COMPOSITE = "transfer_composite"
    """A multipart or embedded message that is encoded, which RFC 2045 §6.4 forbids."""
    BASE64 = "base64"
    """Foreign characters, wrong padding, or data after the padding."""
    QUOTED_PRINTABLE = "quoted_printable"
    """An escape that is none."""
    UUENCODE = "uuencode"
    """A line that cannot be decoded."""
    CHARSET_UNKNOWN = "charset_unknown"
    """A charset that nobody registered, or that is not for mail."""
    CHARSET_GUESSED = "charset_guessed"
    """Text that is not in its declared charset, or declares none and is neither ASCII nor UTF-8."""
    CHARSET_BROKEN = "charset_broken"
    """Text with octets that its charset does not have, shown as U+FFFD."""
    NUL = "nul"
    """A NUL octet in the header or a text part."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect: what kind, where (`header`, a field's name, or a part's number such as `1.2`), and what."""

    kind: DefectKind
    where: str = ""
    detail: str = ""
