"""Transfer encodings, as forgiving as clients."""

import base64
import binascii
import quopri

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.defects import DefectKind
from mailweir_mail.transfer import decode, has_bad_escape


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "binary"])
def test_identity(encoding: str) -> None:
    data = b"any \x00\xff octets"
    assert decode(data, encoding) == (data, ())


def test_an_unknown_encoding_changes_nothing_and_is_said() -> None:
    assert decode(b"abc", "x-rot13") == (b"abc", (DefectKind.TRANSFER_UNKNOWN,))


@pytest.mark.parametrize(
    ("data", "expected", "clean"),
    [
        (b"", b"", True),
        (b"aGVsbG8=", b"hello", True),
        (b"aGVs\r\nbG8=\r\n", b"hello", True),
        (b" aGVs\t bG8= \n", b"hello", True),
        (b"aGVsbG8", b"hello", False),
        (b"aGVsbG", b"hell", False),
        (b"aGVsb", b"hel", False),
        (b"a", b"", False),
        (b"aGV-sbG!8=", b"hello", False),
        (b"aGVsbG8==", b"hello", False),
        (b"aGVsbG8====", b"hello", False),
        # data after padding is data still, in whole groups
        (b"aGVsbG8=d29ybGQ=", b"helloworld", False),
        (b"aGVsbG8=\r\nd29y\r\nbGQ=", b"helloworld", False),
        (b"aGVsbG8= d29yb", b"hellowor", False),
        (b"=aGVsbG8=", b"hello", False),
        (b"====", b"", False),
        (b"\xff\xfe\x00", b"", False),
    ],
)
def test_base64(data: bytes, expected: bytes, *, clean: bool) -> None:
    found = decode(data, "base64")
    assert found.data == expected
    assert (found.defects == ()) is clean


@given(st.binary(max_size=500))
def test_base64_round_trip(data: bytes) -> None:
    assert decode(base64.encodebytes(data), "base64") == (data, ())
    assert decode(base64.b64encode(data).rstrip(b"="), "base64").data == data


@given(st.binary(max_size=200))
def test_base64_takes_anything(data: bytes) -> None:
    assert len(decode(data, "base64").data) <= len(data)


@pytest.mark.parametrize(
    ("data", "expected", "bad"),
    [
        (b"plain", b"plain", False),
        (b"caf=C3=A9", "café".encode(), False),
        (b"caf=c3=a9", "café".encode(), False),
        (b"a=\r\nb=\nc", b"abc", False),
        (b"a= \t\r\nb", b"ab", False),
        (b"a=", b"a", False),
        (b"a=XYb", b"a=XYb", True),
        (b"a=4", b"a=4", True),
        (b"1=2", b"1=2", True),
        (b"a=\rhidden\nshown", b"ahidden\nshown", True),
        (b"a_b", b"a_b", False),
    ],
)
def test_quoted_printable(data: bytes, expected: bytes, *, bad: bool) -> None:
    assert decode(data, "quoted-printable").data == expected
    assert has_bad_escape(data) is bad


@given(st.binary(max_size=300))
def test_quoted_printable_round_trip(data: bytes) -> None:
    text = data.replace(b"\r", b"")
    assert decode(quopri.encodestring(text), "quoted-printable").data == text


def uuencoded(data: bytes) -> bytes:
    lines = [binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45)]
    return b"begin 644 name.bin\n" + b"".join(lines) + b"`\nend\n"


@given(st.binary(max_size=300))
def test_uuencode_round_trip(data: bytes) -> None:
    assert decode(b"\n" + uuencoded(data), "x-uuencode") == (data, ())


def test_uuencode_with_crlf_and_rubbish_around() -> None:
    data = b"hello world" * 10
    encoded = uuencoded(data).replace(b"\n", b"\r\n")
    assert decode(b"before\r\n" + encoded + b"after", "uuencode").data == data


def test_uuencode_lines_with_trailing_rubbish() -> None:
    line = binascii.b2a_uu(b"hello").rstrip(b"\n") + b"x"
    assert decode(b"begin 644 a\n" + line + b"\nend\n", "uue").data == b"hello"


def test_uuencode_that_is_none() -> None:
    assert decode(b"no begin line", "x-uue") == (b"no begin line", (DefectKind.UUENCODE,))
    broken = decode(b"begin 644 a\n\xff\xff\nend\n", "x-uue")
    assert broken == (b"", (DefectKind.UUENCODE,))


@given(st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "x-uuencode"]))
def test_nothing_raises(data: bytes, encoding: str) -> None:
    decode(b"begin 644 a\n" + data, encoding)
    decode(data, encoding)
