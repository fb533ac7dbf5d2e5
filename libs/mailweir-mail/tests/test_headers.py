"""Fields in order: split, looked up, decoded, bounded."""

import pytest

from mailweir_mail import DefectKind, Header, Headers, ParseLimits

BLOCK = (
    b"Received: one\r\n"
    b"Subject: =?utf-8?q?caf=C3=A9?=\r\n  and more\r\n"
    b"X-Empty:\r\n"
    b"received : two\r\n"
    b"X-Colon: a:b:c\r\n"
)


def kinds(headers: Headers) -> set[DefectKind]:
    return {defect.kind for defect in headers.defects}


def test_fields_keep_order_names_and_octets() -> None:
    headers = Headers(BLOCK)
    assert [field.name for field in headers] == [
        "Received",
        "Subject",
        "X-Empty",
        "received",
        "X-Colon",
    ]
    assert b"".join(field.raw for field in headers) == BLOCK
    assert headers.raw is BLOCK
    assert len(headers) == 5


def test_offsets_point_into_the_message() -> None:
    raw = b"junk before" + BLOCK
    headers = Headers(BLOCK, len(b"junk before"))
    for field in headers:
        assert raw[field.offset : field.offset + len(field.raw)] == field.raw


def test_lookup_ignores_case() -> None:
    headers = Headers(BLOCK)
    assert headers.get("SUBJECT") == "café and more"
    assert [field.text for field in headers.all("Received")] == ["one", "two"]
    assert "x-empty" in headers
    assert "x-absent" not in headers
    assert 7 not in headers
    assert headers.first("X-Absent") is None
    assert headers.get("X-Absent", "none") == "none"
    assert headers.all("X-Absent") == ()
    assert headers.get("X-Empty") == ""


def test_access_by_position() -> None:
    headers = Headers(BLOCK)
    assert headers[0].name == "Received"
    assert headers[-1].text == "a:b:c"
    assert [field.name for field in headers[1:3]] == ["Subject", "X-Empty"]
    with pytest.raises(IndexError):
        headers[5]


def test_a_field_in_all_its_forms() -> None:
    field = Headers(BLOCK)[1]
    assert field.value == b" =?utf-8?q?caf=C3=A9?=\r\n  and more\r\n"
    assert field.unfolded == b"=?utf-8?q?caf=C3=A9?=  and more"
    assert field.undecoded == "=?utf-8?q?caf=C3=A9?= and more"
    assert field.text == "café and more"


def test_names_that_are_not_ascii_are_simply_absent() -> None:
    assert Headers(BLOCK).first("Sübject") is None


@pytest.mark.parametrize(
    ("block", "names"),
    [
        (b"", []),
        (b"A:1\nB:2\n", ["A", "B"]),
        (b"A:1\nB:2", ["A", "B"]),
        (b" A: 1\nB: 2\n", ["A", "B"]),
        (b"A: 1\n\tmore: less\nB: 2\n", ["A", "B"]),
        (b"A: 1\n : no field\nB: 2\n", ["A", "B"]),
        (b"A \t: 1\n", ["A"]),
        (b": no name\nB: 2\n", ["B"]),
        (b"From me Mon Jan  1 00:00:00 2024\nA: 1\n", ["A"]),
        (b"A: 1\nsome junk\nB: 2\n", ["A", "B"]),
        (b"\xff\xfe: 1\nB: 2\n", ["B"]),
        (b"http://x.test/\n", ["http"]),
    ],
)
def test_what_is_a_field(block: bytes, names: list[str]) -> None:
    assert [field.name for field in Headers(block)] == names


@pytest.mark.parametrize(
    ("block", "expected", "junk_at"),
    [
        (BLOCK, set(), None),
        (b"From me Mon Jan  1 00:00:00 2024\nA: 1\n", {DefectKind.HEADER_MBOX}, None),
        (b"A: 1\njunk\nB: 2\n", {DefectKind.HEADER_JUNK}, None),
        (b"A: 1\ntext begins\nhere\n", {DefectKind.HEADER_JUNK, DefectKind.HEADER_SEPARATOR}, 5),
        (
            b"A: 1\ntext begins\nhttp://x.test/\n",
            {DefectKind.HEADER_JUNK, DefectKind.HEADER_SEPARATOR},
            5,
        ),
        (b"A: 1\0\n", {DefectKind.NUL}, None),
        (b"A: \xe4\n", {DefectKind.HEADER_8BIT}, None),
        ("A: ä\n".encode(), set(), None),
        (b"A: =?utf-8?q?open\n", {DefectKind.ENCODED_WORD}, None),
        (b"A: =?x-nonsense?q?a?=\n", {DefectKind.ENCODED_WORD}, None),
    ],
)
def test_what_is_wrong_is_said(
    block: bytes, expected: set[DefectKind], junk_at: int | None
) -> None:
    headers = Headers(block)
    assert kinds(headers) == expected
    assert headers.junk_at == junk_at


def test_fields_behind_the_header_are_no_fields() -> None:
    headers = Headers(b"A: 1\nbody text\nhttp://x.test/\nftp://y.test/\n")
    assert [field.name for field in headers] == ["A"]
    assert headers.first("http") is None


def test_too_many_fields_are_cut_and_reported() -> None:
    headers = Headers(b"A: 1\n b\n" * 10, limits=ParseLimits(header_lines=5))
    assert len(headers) == 5
    assert headers[4].raw == b"A: 1\n b\n"
    assert kinds(headers) == {DefectKind.HEADER_LINES_LIMIT}


def test_a_field_of_many_lines_counts_once() -> None:
    headers = Headers(b"To: a" + b",\n a" * 50 + b"\nB: 1\n", limits=ParseLimits(header_lines=5))
    assert headers.get("b") == "1"
    assert kinds(headers) == set()


def test_too_large_a_header_is_cut_between_lines() -> None:
    headers = Headers(b"A: 1234\n" * 10, limits=ParseLimits(header_bytes=20))
    assert [field.raw for field in headers] == [b"A: 1234\n", b"A: 1234\n"]
    assert kinds(headers) == {DefectKind.HEADER_BYTES_LIMIT}


def test_one_endless_line_is_cut_anywhere() -> None:
    headers = Headers(b"A: " + b"x" * 100, limits=ParseLimits(header_bytes=20))
    assert headers.get("a") == "x" * 17
    assert kinds(headers) == {DefectKind.HEADER_BYTES_LIMIT}


def test_a_long_field_is_decoded_in_part() -> None:
    headers = Headers(b"A: " + b"x" * 100 + b"\nB: 1\n", limits=ParseLimits(field_bytes=50))
    assert headers.get("a") == "x" * 49
    assert len(headers[0].value) == 102
    assert kinds(headers) == {DefectKind.FIELD_BYTES_LIMIT}


def test_values_stay_out_of_representations() -> None:
    headers = Headers(b"Subject: private\n")
    assert "private" not in repr(headers)
    assert "private" not in repr(headers[0])
    assert repr(headers[0]) == "Header('Subject', offset=0)"


def test_a_view_cannot_be_changed() -> None:
    headers = Headers(BLOCK)
    with pytest.raises(AttributeError, match="immutable"):
        headers.raw = b""
    with pytest.raises(AttributeError, match="immutable"):
        del headers.raw
    with pytest.raises(AttributeError):
        headers[0].name = "x"  # type: ignore[misc] # it is the refusal that is tested


def test_a_header_is_a_plain_value() -> None:
    field = Header("A", b"A: 1\n", 0, 2, 100)
    assert field == Headers(b"A: 1\n", limits=ParseLimits(field_bytes=100))[0]


def test_names_come_in_order_and_lower_case() -> None:
    headers = Headers(b"Subject: a\r\nTO : b\r\nX-Odd: c\r\nto: d\r\n")
    assert headers.names == ["subject", "to", "x-odd", "to"]
    assert headers.names == [field.name.lower() for field in headers]
    assert Headers(b"").names == []
