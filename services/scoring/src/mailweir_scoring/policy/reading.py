"""From bytes to the message that the checks look at."""

from mailweir_mail import Message, ParseLimits, parse
from mailweir_policy import MessageLimits


def read_message(raw: bytes, limits: MessageLimits, scan_bytes: int) -> Message:
    """Return the message, its header and part tree read, within the policy's limits.

    Text and HTML are decoded by the first check that asks, at most `scan_bytes` octets of each part.
    """
    message = parse(
        raw,
        ParseLimits(
            header_lines=limits.header_lines,
            parts=limits.parts,
            depth=limits.depth,
            received_hops=limits.received_hops,
            text_bytes=scan_bytes,
        ),
    )
    # Everything is computed on first use; what every stage needs is this stage's to pay.
    _ = (len(message.headers), message.root, message.text_parts)
    return message
