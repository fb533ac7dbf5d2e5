"""The part tree: boundaries, nesting, limits, and what broken structures become."""

import base64

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_mail import DefectKind, Message, ParseLimits, parse

Shape = list[tuple[str, str, bytes]]


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def shape(message: Message) -> Shape:
    """Return number, type and raw body of each part; of a container only its type."""
    return [
        (part.number, part.type, b"" if part.children else part.raw_body.strip())
        for part in message.parts()
    ]


def kinds(message: Message) -> set[DefectKind]:
    return {defect.kind for defect in message.defects}


SIMPLE = """\
Content-Type: multipart/mixed; boundary="b"

preamble
--b
Content-Type: text/plain

one
--b
Content-Type: text/html

<p>two
--b--
epilogue
"""


@pytest.mark.parametrize("raw", [SIMPLE.encode(), crlf(SIMPLE)])
def test_two_parts(raw: bytes) -> None:
    message = parse(raw)
    assert shape(message) == [
        ("", "multipart/mixed", b""),
        ("1", "text/plain", b"one"),
        ("2", "text/html", b"<p>two"),
    ]
    assert kinds(message) == set()
    root = message.root
    assert root.preamble.strip() == b"preamble"
    assert root.epilogue.strip() == b"epilogue"
    assert root.is_multipart
    assert [part.raw_body for part in root.children] == [b"one", b"<p>two"]


@pytest.mark.parametrize("raw", [SIMPLE.encode(), crlf(SIMPLE)])
def test_offsets_are_those_of_the_raw_message(raw: bytes) -> None:
    message = parse(raw)
    for part in message.parts():
        assert part.source is message.raw
        assert raw[part.header_start :].startswith(part.headers.raw)
        assert raw[part.body_start : part.body_end] == part.raw_body
        for field in part.headers:
            assert raw[field.offset :].startswith(field.raw)


def test_the_line_break_belongs_to_the_delimiter() -> None:
    message = parse(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n\r\n--b--\r\n"
    )
    assert message.root.children[0].raw_body == b"one\r\n"


def test_a_message_without_header_or_body() -> None:
    assert shape(parse(b"")) == [("", "text/plain", b"")]
    assert shape(parse(b"\nbody")) == [("", "text/plain", b"body")]
    assert shape(parse(b"Subject: x\n")) == [("", "text/plain", b"")]


@pytest.mark.parametrize(
    "header", ["", "Content-Type:", "Content-Type: nonsense", "Content-Type: text"]
)
def test_the_default_type(header: str) -> None:
    message = parse(f"{header}\n\nbody".encode() if header else b"A: b\n\nbody")
    assert message.root.type == "text/plain"


def test_nesting_and_numbers() -> None:
    message = parse(
        b"""Content-Type: multipart/mixed; boundary=a

--a
Content-Type: multipart/alternative; boundary=b

--b

text
--b
Content-Type: text/html

html
--b--
--a
Content-Type: image/png

png
--a--
"""
    )
    assert [(number, kind) for number, kind, _ in shape(message)] == [
        ("", "multipart/mixed"),
        ("1", "multipart/alternative"),
        ("1.1", "text/plain"),
        ("1.2", "text/html"),
        ("2", "image/png"),
    ]
    assert kinds(message) == set()


def test_a_digest_holds_messages_by_default() -> None:
    message = parse(
        b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: inner\n\ntext\n--b--\n"
    )
    assert shape(message)[1:] == [("1", "message/rfc822", b""), ("1.1", "text/plain", b"text")]


def test_an_embedded_message() -> None:
    message = parse(
        b"""Content-Type: multipart/mixed; boundary=a

--a
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/mixed; boundary=b

--b

deep
--b--
--a--
"""
    )
    assert shape(message) == [
        ("", "multipart/mixed", b""),
        ("1", "message/rfc822", b""),
        ("1.1", "multipart/mixed", b""),
        ("1.1.1", "text/plain", b"deep"),
    ]
    part = message.root.children[0]
    assert part.is_message
    inner = message.embedded(part)
    assert inner is not None
    assert inner.subject == "inner"
    assert inner.text.strip() == "deep"
    assert message.embedded(message.root) is None


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_an_embedded_message_that_is_encoded(encoding: str) -> None:
    inner = b"Subject: inner\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ndeep\n--b--\n"
    data = base64.encodebytes(inner) if encoding == "base64" else inner.replace(b"=", b"=3D")
    message = parse(
        b"Content-Type: message/rfc822\nContent-Transfer-Encoding: "
        + encoding.encode()
        + b"\n\n"
        + data
    )
    assert [(number, kind) for number, kind, _ in shape(message)] == [
        ("", "message/rfc822"),
        ("1", "multipart/mixed"),
        ("1.1", "text/plain"),
    ]
    assert kinds(message) == {DefectKind.TRANSFER_COMPOSITE}
    embedded = message.embedded(message.root)
    assert embedded is not None
    assert embedded.subject == "inner"
    assert message.root.children[0].source == inner


def test_encoded_messages_inside_each_other_are_bounded() -> None:
    raw = b"Subject: innermost\n\ntext"
    for _ in range(6):
        raw = (
            b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(raw)
        )
    message = parse(raw, ParseLimits(encoded_depth=2))
    assert [part.number for part in message.parts()] == ["", "1", "1.1"]
    assert DefectKind.DEPTH_LIMIT in kinds(message)


def test_what_is_no_message_is_a_leaf() -> None:
    message = parse(b"Content-Type: message/rfc822\n\nthis is no message at all")
    assert shape(message) == [("", "message/rfc822", b"this is no message at all")]
    assert not message.root.is_message
    assert message.embedded(message.root) is None


@pytest.mark.parametrize(
    ("raw", "expected", "defects"),
    [
        (  # never closed
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo",
            [
                ("", "multipart/mixed", b""),
                ("1", "text/plain", b"one"),
                ("2", "text/plain", b"two"),
            ],
            {DefectKind.BOUNDARY_UNCLOSED},
        ),
        (  # never opened: what stands there is shown
            b"Content-Type: multipart/mixed; boundary=b\n\nonly text",
            [("", "text/plain", b"only text")],
            {DefectKind.BOUNDARY_UNSEEN},
        ),
        (  # no boundary, and none to guess
            b"Content-Type: multipart/mixed\n\nonly text",
            [("", "text/plain", b"only text")],
            {DefectKind.BOUNDARY_MISSING},
        ),
        (  # no boundary, but plain to see
            b"Content-Type: multipart/mixed\n\n--x\n\none\n--x--\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            {DefectKind.BOUNDARY_MISSING},
        ),
        (  # the outer delimiter ends the inner multipart
            b"Content-Type: multipart/mixed; boundary=a\n\n--a\n"
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--a\n\ntwo\n--a--\n",
            [
                ("", "multipart/mixed", b""),
                ("1", "multipart/mixed", b""),
                ("1.1", "text/plain", b"one"),
                ("2", "text/plain", b"two"),
            ],
            {DefectKind.BOUNDARY_UNCLOSED},
        ),
        (  # the same boundary inside: the innermost wins, then the outer one again
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n--b--\n",
            [
                ("", "multipart/mixed", b""),
                ("1", "multipart/mixed", b""),
                ("1.1", "text/plain", b"one"),
                ("2", "text/plain", b"two"),
            ],
            {DefectKind.BOUNDARY_REUSED},
        ),
        (  # a boundary that begins the other one: the whole line decides
            b"Content-Type: multipart/mixed; boundary=bb\n\n--bb\n"
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--bb\n\ntwo\n--bb--\n",
            [
                ("", "multipart/mixed", b""),
                ("1", "multipart/mixed", b""),
                ("1.1", "text/plain", b"one"),
                ("2", "text/plain", b"two"),
            ],
            set(),
        ),
        (  # a delimiter line with more on it
            b"Content-Type: multipart/mixed; boundary=b\n\n--bogus\n\none\n--b-- the end\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            {DefectKind.BOUNDARY_PREFIX},
        ),
        (  # white space after the boundary is allowed
            b"Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\none\n--b-- \n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            set(),
        ),
        (  # a boundary that ends like a closing delimiter
            b"Content-Type: multipart/mixed; boundary=b--\n\n--b--\n\none\n--b----\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            set(),
        ),
        (  # after the closing delimiter some readers go on
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\nhidden\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            {DefectKind.BOUNDARY_AFTER_CLOSE},
        ),
        (  # a delimiter inside a line is none
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none --b\n--b--\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one --b")],
            set(),
        ),
        (  # parts without a header, without an empty line, without anything
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\njust text\n--b\nA: b\n--b\n--b--\n",
            [
                ("", "multipart/mixed", b""),
                ("1", "text/plain", b"just text"),
                ("2", "text/plain", b""),
                ("3", "text/plain", b""),
            ],
            {DefectKind.HEADER_JUNK, DefectKind.HEADER_SEPARATOR},
        ),
        (  # a last delimiter with nothing after it
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            {DefectKind.BOUNDARY_UNCLOSED},
        ),
        (  # the boundary differs in case
            b"Content-Type: multipart/mixed; boundary=b\n\n--B\n\none\n--B--\n",
            [("", "text/plain", b"--B\n\none\n--B--")],
            {DefectKind.BOUNDARY_UNSEEN},
        ),
        (  # octets that are no ASCII, and what looks like an encoded word, are compared as they stand
            b'Content-Type: multipart/mixed; boundary="\xe9=?utf-8?q?b?="\n\n'
            b"--\xe9=?utf-8?q?b?=\n\none\n--\xe9=?utf-8?q?b?=--\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            {DefectKind.HEADER_8BIT},
        ),
        (  # a boundary in RFC 2231's form
            b"Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\none\n--ab--\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            set(),
        ),
        (  # two types: the first counts
            b"Content-Type: text/plain\nContent-Type: text/html\n\nx",
            [("", "text/plain", b"x")],
            {DefectKind.CONTENT_TYPE},
        ),
        (  # two boundaries: the first counts
            b"Content-Type: multipart/mixed; boundary=b; boundary=c\n\n--b\n\none\n--b--\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            {DefectKind.PARAMETER_DUPLICATE},
        ),
        (  # an encoded multipart is read as it stands
            b"Content-Transfer-Encoding: base64\nContent-Type: multipart/mixed; boundary=b\n\n"
            b"--b\n\none\n--b--\n",
            [("", "multipart/mixed", b""), ("1", "text/plain", b"one")],
            {DefectKind.TRANSFER_COMPOSITE},
        ),
    ],
)
def test_broken_structures(raw: bytes, expected: Shape, defects: set[DefectKind]) -> None:
    message = parse(raw)
    assert shape(message) == expected
    assert kinds(message) == defects


def test_a_body_without_an_empty_line_before_it() -> None:
    message = parse(b"Subject: x\nContent-Type: text/plain\nThis is the text\nof it\n\nand more")
    assert message.subject == "x"
    assert message.root.raw_body == b"This is the text\nof it\n\nand more"


def test_line_ends_of_both_kinds_in_one_message() -> None:
    crlf, lf = b"A: 1\r\n\r\none\r\n", b"B: 2\n\ntwo\n"
    parts = [crlf, lf, lf, crlf, crlf, lf]
    body = b"".join(b"--x\n" + one for one in parts) + b"--x--\n"
    root = parse(b"Content-Type: multipart/mixed; boundary=x\n\n" + body).root
    assert [child.raw_body.strip() for child in root.children] == [
        b"one", b"two", b"two", b"one", b"one", b"two",
    ]  # fmt: skip
    assert [child.headers[0].name for child in root.children] == list("ABBAAB")


def test_parts_are_bounded() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 50 + b"--b--\n"
    message = parse(raw, ParseLimits(parts=10))
    parts = list(message.parts())
    assert len(parts) == 10
    assert parts[-1].raw_body.count(b"--b") > 30
    assert DefectKind.PARTS_LIMIT in kinds(message)


def test_depth_is_bounded() -> None:
    raw = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(100, 200)
    )
    message = parse(raw + b"\ntext", ParseLimits(depth=10))
    deepest = max(message.parts(), key=lambda part: part.number.count("."))
    assert deepest.number.count(".") == 9
    assert deepest.type == "text/plain"
    assert DefectKind.DEPTH_LIMIT in kinds(message)


def test_a_large_depth_is_no_recursion() -> None:
    raw = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d-\n\n--%d-\n" % (n, n) for n in range(5000)
    )
    message = parse(raw + b"\ntext", ParseLimits(depth=10_000, parts=10_000))
    assert len(list(message.parts())) == 5001
    assert message.text == "text"
    assert len(message.defects) == 5000


def test_embedded_messages_count_for_depth() -> None:
    message = parse(
        b"Content-Type: message/rfc822\n\n" * 100 + b"Subject: x\n\n", ParseLimits(depth=10)
    )
    assert len(list(message.parts())) == 11
    assert DefectKind.DEPTH_LIMIT in kinds(message)


def test_text_is_shared_out_from_the_first_part_on() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n12345678\n" * 3 + b"--b--\n"
    message = parse(raw, ParseLimits(text_bytes=12))
    assert [part.text for part in message.root.children] == ["12345678", "1234", ""]
    assert [defect.where for defect in message.defects if defect.kind is DefectKind.TEXT_LIMIT] == [
        "2",
        "3",
    ]


ALPHABET = [
    b"--a", b"--b", b"--", b"\n", b"\r\n", b"x", b": ", b"\n\n", b"Content-Type: ", b" ", b"text/plain",
    b"multipart/mixed; boundary=a", b"multipart/mixed; boundary=b", b"multipart/digest; boundary=ab",
    b"message/rfc822",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(ALPHABET), max_size=60).map(b"".join))
def test_ranges_always_nest(raw: bytes) -> None:
    message = parse(raw)
    for part in message.parts():
        assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(raw)
        assert part.body_start <= part.preamble_end
        assert part.epilogue_start <= part.body_end
        previous = part.body_start
        for child in part.children:
            assert previous <= child.header_start
            assert child.body_end <= part.body_end
            previous = child.body_end
