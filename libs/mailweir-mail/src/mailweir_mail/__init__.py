"""Pure bytes to facts: the lazy, never-raising view of a message, and the editing of its header as bytes.

`parse(raw)` gives a `Message`. Nothing of it is computed before it is asked for, and nothing raises,
whatever the bytes are: what is wrong is a `Defect`, what is too much lies beyond a `ParseLimits`. The
editing functions work on the octets alone, for a relay that must hand on what it got.
"""

from .address import Address, AddressList, Group, parse_addresses
from .charset import Decoded
from .dates import parse_date
from .defects import Defect, DefectKind
from .edit import (
    claims_authserv_id,
    count_received,
    first_header,
    fold,
    header_block,
    prepend_headers,
    raw_fields,
    read_authserv_id,
    split_at,
    unfold,
    without_headers,
)
from .filetype import detect
from .headers import Header, Headers
from .limits import DEFAULT, ParseLimits
from .links import CLICKED, find_links
from .markup import Hidden, HiddenBy, HtmlView, Image, Link, LinkPlace, render
from .message import Message, parse
from .params import Value, parse_value
from .part import Part
from .received import Hop, parse_received

__all__ = [
    "CLICKED",
    "DEFAULT",
    "Address",
    "AddressList",
    "Decoded",
    "Defect",
    "DefectKind",
    "Group",
    "Header",
    "Headers",
    "Hidden",
    "HiddenBy",
    "Hop",
    "HtmlView",
    "Image",
    "Link",
    "LinkPlace",
    "Message",
    "ParseLimits",
    "Part",
    "Value",
    "claims_authserv_id",
    "count_received",
    "detect",
    "find_links",
    "first_header",
    "fold",
    "header_block",
    "parse",
    "parse_addresses",
    "parse_date",
    "parse_received",
    "parse_value",
    "prepend_headers",
    "raw_fields",
    "read_authserv_id",
    "render",
    "split_at",
    "unfold",
    "without_headers",
]
