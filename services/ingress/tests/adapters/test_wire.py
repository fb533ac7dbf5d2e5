"""Messages put together from parts are the messages that protobuf would write."""

import pytest
from hypothesis import given, strategies as st

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_ingress.adapters.wire import field_head, varint, with_field


@given(st.binary(max_size=300), st.text(max_size=50))
def test_a_field_behind_the_message_is_in_the_message(content: bytes, ref: str) -> None:
    envelope = common_pb2.Envelope(ref=ref, recipients=["a@b"])
    mail = events_pb2.QueuedMail(envelope=envelope, action="accept", score=1.5)
    data = with_field(mail, events_pb2.QueuedMail.CONTENT_FIELD_NUMBER, content)
    mail.content = content
    assert events_pb2.QueuedMail.FromString(data) == mail


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_every_size_is_written_as_protobuf_does(size: int) -> None:
    item = scoring_pb2.ScoreItem(raw=b"x" * size)
    number = scoring_pb2.ScoreItem.RAW_FIELD_NUMBER
    if size:
        assert with_field(scoring_pb2.ScoreItem(), number, item.raw) == item.SerializeToString()
    assert scoring_pb2.ScoreItem.FromString(field_head(number, size) + item.raw) == item


def test_items_in_a_row_are_a_request() -> None:
    items = [scoring_pb2.ScoreItem(raw=bytes([n]) * n) for n in range(200)]
    number = scoring_pb2.ScoreRequest.ITEMS_FIELD_NUMBER
    data = b"".join(
        field_head(number, len(one)) + one for one in (i.SerializeToString() for i in items)
    )
    assert data == scoring_pb2.ScoreRequest(items=items).SerializeToString()


@pytest.mark.parametrize(
    ("number", "data"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")]
)
def test_numbers(number: int, data: bytes) -> None:
    assert varint(number) == data
