"""What tests of the mail parser share."""

from mailweir_mail import Message, Part


def touch(message: Message) -> None:
    """Use every accessor of a message once; a test calls it to see that none raises."""
    _touch_header(message)
    for part in message.parts():
        _touch_part(part)
        inner = message.embedded(part)
        if inner is not None:
            _use(repr(inner), inner.subject, inner.from_)
    _use(message.text_parts, message.html_parts, message.attachments, message.root)
    _use(message.text, message.rendered, message.html, message.links, message.defects)
    _use(repr(message), message.header_bytes, message.body_bytes)


def _touch_header(message: Message) -> None:
    headers = message.headers
    for field in headers:
        _use(repr(field), field.value, field.text, field.unfolded, field.undecoded, field.defects)
    for name in {field.name.lower() for field in headers}:
        _use(headers.get(name), headers.all(name), headers.first(name), name in headers)
    for found in (message.from_, message.sender, message.reply_to, message.to, message.cc):
        _use(found.addresses, found.groups, found.first)
        _use(*((address.local, address.domain, address.key) for address in found.addresses))
    _use(message.subject, message.message_id, message.message_ids("references"), message.date)
    _use(message.received, message.received_count, repr(headers), headers.defects, headers.junk_at)


def _touch_part(part: Part) -> None:
    _use(repr(part), part.encoding, part.disposition, part.content_id, part.filename, part.content)
    _use(part.decoded_text, part.text, part.detected, part.preamble, part.epilogue, part.raw_body)
    _use(part.is_multipart, part.is_message, part.is_text, part.is_html, part.defects)
    if part.html is not None:
        _use(part.html.text, part.html.hidden_text, part.html.links)


def _use(*facts: object) -> None:
    """Take what an accessor gave; getting it was the test."""
    assert len(facts) >= 0
