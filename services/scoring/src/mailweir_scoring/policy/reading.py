"""From bytes to the message that the checks look at."""

from mailweir_mail import Message, ParseLimits, Part, parse
from mailweir_policy import MessageLimits


def read_message(
    raw: bytes, limits: MessageLimits, scan_bytes: int, *, header_only: bool = False
) -> Message:
    """Return the message, its header and part tree read, within the policy's limits.

    Text and HTML are decoded by the first check that asks, at most `scan_bytes` octets of each part.
    `header_only` leaves the part tree, too, to the first who asks: where no stage runs, nobody does.
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
    _ = len(message.headers) if header_only else (len(message.headers), message.text_parts)
    return message


def shown_texts(message: Message) -> tuple[Part, ...]:
    """Return the text parts that a client shows, with or without HTML: no attachments, no forwarded mail."""
    shown = dict.fromkeys((*message.text_parts, *message.html_parts))
    return tuple(part for part in shown if part.is_text)


def texts_of(message: Message, scan_bytes: int) -> tuple[Part, ...]:
    """Return the shown text parts up to `scan_bytes` octets in all; the first one always.

    Rendering HTML is the dearest thing there is: without a bound on the sum, a message of a thousand small
    parts would take many times what one of a single large part does.
    """
    texts: list[Part] = []
    left = scan_bytes
    for part in shown_texts(message):
        if texts and left <= 0:
            break
        texts.append(part)
        left -= part.body_end - part.body_start
    return tuple(texts)
