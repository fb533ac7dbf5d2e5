"""One part: its header's values, its content in octets and characters."""

import base64

import pytest

from mailweir_mail import DefectKind, Part, Value, parse
from mailweir_mail.filetype import detect


def part(header: str, body: bytes = b"") -> Part:
    return parse(header.encode() + b"\n\n" + body).root


def kinds(found: Part) -> list[DefectKind]:
    return [defect.kind for defect in found.defects]


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("A: b", ""),
        ("Content-Transfer-Encoding: BASE64", "base64"),
        ("Content-Transfer-Encoding: base64;", "base64"),
        ("Content-Transfer-Encoding:  8bit (really)", "8bit"),
        ('Content-Transfer-Encoding: "7bit"', "7bit"),
        ("Content-Transfer-Encoding:", ""),
    ],
)
def test_encoding(header: str, encoding: str) -> None:
    assert part(header).encoding == encoding


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ("A: b", ""),
        ("Content-Disposition: attachment; filename=a.txt", "a.txt"),
        ("Content-Type: image/png; name=b.png", "b.png"),
        (
            "Content-Type: image/png; name=b.png\nContent-Disposition: inline; filename=a.png",
            "a.png",
        ),
        ("Content-Type: image/png; name=b.png\nContent-Disposition: inline", "b.png"),
        ("Content-Disposition: attachment; filename*=utf-8''na%C3%AFve.txt", "naïve.txt"),
        ('Content-Disposition: attachment; filename="=?utf-8?q?na=C3=AFve=2Etxt?="', "naïve.txt"),
        ('Content-Disposition: attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ('Content-Disposition: attachment; filename="a.pdf\t.exe "', "a.pdf\t.exe"),
    ],
)
def test_file_name_as_declared(header: str, filename: str) -> None:
    assert part(header).filename == filename


def test_disposition_and_id() -> None:
    found = part("Content-Disposition: Inline; size=5\nContent-ID: <one@two>")
    assert found.disposition == Value("inline", (("size", "5"),))
    assert found.content_id == "one@two"
    assert part("A: b").disposition is None
    assert part("A: b").content_id == ""


def test_content_in_every_form() -> None:
    found = part(
        "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
        b"caf=E9\r\nau lait",
    )
    assert found.raw_body == b"caf=E9\r\nau lait"
    assert found.content == b"caf\xe9\r\nau lait"
    assert found.text == "café\nau lait"
    assert found.decoded_text.codec == "cp1252"
    assert found.is_text
    assert not found.is_html
    assert found.html is None
    assert kinds(found) == []


def test_html_and_its_own_charset() -> None:
    html = '<meta charset="koi8-r"><p>Привет'.encode("koi8-r")
    found = part("Content-Type: text/html", html)
    assert found.html is not None
    assert found.html.text == "Привет"
    declared = part("Content-Type: text/html; charset=utf-8", "<meta charset=koi8-r>é".encode())
    assert declared.text.endswith("é")
    assert part("Content-Type: application/xhtml+xml", b"<p>x").is_html


def test_what_is_no_text_has_no_characters() -> None:
    found = part("Content-Type: application/octet-stream", b"abc\xff")
    assert (found.text, found.html) == ("", None)
    assert found.content == b"abc\xff"
    assert kinds(found) == []


def test_detected_type() -> None:
    assert part("Content-Type: image/png", b"%PDF-1.4").detected == "application/pdf"
    assert part("Content-Type: message/rfc822", b"Subject: x\n\n").detected == ""


@pytest.mark.parametrize(
    ("header", "body", "expected"),
    [
        ("Content-Type: text/plain", b"fine", []),
        ("Content-Type: text/plain", b"caf\xe9 au lait", [DefectKind.CHARSET_GUESSED]),
        ("Content-Type: text/plain; charset=nonsense", b"x", [DefectKind.CHARSET_UNKNOWN]),
        (
            "Content-Type: text/plain; charset=utf-8",
            b"\xc3\xa9 \xc3\xa8 \xff",
            [DefectKind.CHARSET_BROKEN],
        ),
        ("Content-Type: text/plain", b"a\0b", [DefectKind.NUL]),
        ("Content-Type: text/plain; charset=utf-16le", b"a\0b\0", []),
        ("Content-Transfer-Encoding: base64", b"!!!!", [DefectKind.BASE64]),
        ("Content-Transfer-Encoding: quoted-printable", b"a=ZZ", [DefectKind.QUOTED_PRINTABLE]),
        ("Content-Transfer-Encoding: x-uuencode", b"nothing", [DefectKind.UUENCODE]),
        ("Content-Transfer-Encoding: rot13", b"x", [DefectKind.TRANSFER_UNKNOWN]),
        ("Content-Type: text/html", b"<p>" * 7000, [DefectKind.HTML_TREE_LIMIT]),
        ("Subject: =?bogus?q?x?=", b"x", [DefectKind.ENCODED_WORD]),
    ],
)
def test_defects(header: str, body: bytes, expected: list[DefectKind]) -> None:
    assert kinds(part(header, body)) == expected


FILLER = bytes(range(256)) * 1200


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7" + FILLER,
        b"\0" * 500 + b"%PDF-1.7" + FILLER,
        b"\x89PNG\r\n\x1a\n" + FILLER,
        b"MZ" + FILLER,
        b"plain text " * 30_000,
        b"\0" * 32_769 + b"CD001" + FILLER,  # the farthest that anything is told by
        b"PK\x03\x04" + FILLER + b"word/document.xml",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + FILLER + "Workbook".encode("utf-16-le"),
        FILLER[1:],
    ],
)
@pytest.mark.parametrize("junk", [b"", b" " * 70_000, b"!" * 70_000, b"===="])
def test_the_head_of_a_long_body_tells_what_the_whole_does(content: bytes, junk: bytes) -> None:
    body = junk + base64.encodebytes(content)
    found = part("Content-Type: application/x\nContent-Transfer-Encoding: base64", body)
    assert found.detected == detect(found.content) == detect(content)


def test_a_long_body_is_not_decoded_to_tell_its_type() -> None:
    body = base64.encodebytes(b"%PDF-1.7" + FILLER)
    found = part("Content-Type: application/x\nContent-Transfer-Encoding: base64", body)
    assert found.detected == "application/pdf"
    assert "_decoded" not in found.__dict__


def test_walking() -> None:
    message = parse(
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\n"
        b"Subject: x\n\ntwo\n--b--\n"
    )
    assert [found.number for found in message.root.walk()] == ["", "1", "2", "2.1"]
    assert message.root.content == message.root.raw_body
    assert message.root.children[1].content.startswith(b"Subject: x")


def test_a_part_is_immutable_and_says_little() -> None:
    found = part("Content-Type: text/plain", b"private")
    assert repr(found) == "Part('', text/plain, 7 octets)"
    with pytest.raises(AttributeError):
        found.type = "text/html"
