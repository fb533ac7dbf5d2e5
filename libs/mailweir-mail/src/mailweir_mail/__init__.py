"""Pure bytes to facts: the lazy, never-raising view of a message."""

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

__all__ = [
    "claims_authserv_id",
    "count_received",
    "first_header",
    "fold",
    "header_block",
    "prepend_headers",
    "raw_fields",
    "read_authserv_id",
    "split_at",
    "unfold",
    "without_headers",
]
