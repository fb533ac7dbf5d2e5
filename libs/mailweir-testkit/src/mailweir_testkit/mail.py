"""What tests of the mail parser share."""

from mailweir_mail import Message, Part


def touch(message: Message) -> None:
    """Use every accessor of a message once; a test calls it to see that none raises."""
    _touch_header(message)
    for part in message.parts():
        _touch_part(part)
        inner = message.embedded(part)
        if inner is not None:
            repr((inner, inner.subject, inner.from_))
    bodies = (message.text_parts, message.html_parts, message.attachments)
    repr((bodies, message.text, message.rendered, message.html, message.links, message.defects))
    repr((message, message.header_bytes, message.body_bytes, message.root))


def _touch_header(message: Message) -> None:
    for field in message.headers:
        repr((field, field.value, field.text, field.unfolded, field.undecoded, field.defects))
        repr(
            (
                message.headers.get(field.name),
                message.headers.all(field.name),
                field.name in message.headers,
            )
        )
    people = (message.from_, message.sender, message.reply_to, message.to, message.cc)
    for found in people:
        repr((found.addresses, found.groups, found.first))
        repr([(address.local, address.domain, address.key) for address in found.addresses])
    repr((message.subject, message.message_id, message.message_ids("references"), message.date))
    repr((message.received, message.received_count, message.headers, message.headers.defects))


def _touch_part(part: Part) -> None:
    repr(
        (
            part,
            part.encoding,
            part.disposition,
            part.content_id,
            part.filename,
            part.content,
            part.decoded,
        )
    )
    repr((part.decoded_text, part.text, part.detected, part.preamble, part.epilogue, part.raw_body))
    repr((part.is_multipart, part.is_message, part.is_text, part.is_html, part.defects))
    if part.html is not None:
        repr((part.html, part.html.hidden_text))
