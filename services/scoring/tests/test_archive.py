"""Archives are read by their directories, whatever the bytes are."""

import struct
from io import BytesIO
from tarfile import TarFile, TarInfo
from zipfile import ZipFile

import pytest
from hypothesis import given, strategies as st

from mailweir_scoring.policy.files.archive import MOST_ENTRIES, Entry, listing
from mailweir_scoring.policy.files.inside import has_macros, page_marks, pdf_marks

ZIP, RAR, SEVEN, TAR = (
    "application/zip",
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/x-tar",
)


def zip_of(*names: str, comment: bytes = b"") -> bytes:
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, b"hello")
        archive.comment = comment
    return made.getvalue()


def test_a_zip_names_its_files() -> None:
    assert listing(zip_of("a.txt", "ü/b.js", comment=b"x" * 999), ZIP).entries == (
        Entry("a.txt", 5, 5),
        Entry("ü/b.js", 5, 5),
    )


def test_something_before_a_zip_moves_nothing() -> None:
    found = listing(b"PK" + b"x" * 99 + zip_of("a.txt"), ZIP)
    assert [e.name for e in found.entries] == ["a.txt"]


def test_so_many_entries_are_read() -> None:
    found = listing(zip_of(*map(str, range(MOST_ENTRIES + 9))), ZIP)
    assert len(found.entries) == MOST_ENTRIES


def test_a_tar_names_its_files() -> None:
    made = BytesIO()
    with TarFile(fileobj=made, mode="w") as archive:
        for name in ("a.txt", "b.js"):
            info = TarInfo(name)
            info.size = 700
            archive.addfile(info, BytesIO(bytes(700)))
    assert [(e.name, e.size) for e in listing(made.getvalue(), TAR).entries] == [
        ("a.txt", 700),
        ("b.js", 700),
    ]


def rar_entry(name: bytes, flags: int) -> bytes:
    head = struct.pack("<LLBLLBBHL", 3, 9, 2, 0, 0, 29, 48, len(name), 32) + name
    return struct.pack("<HBHH", 0, 0x74, flags | 0x8000, 7 + len(head)) + head + b"abc"


def test_a_rar_names_its_files_and_says_what_is_locked() -> None:
    main = struct.pack("<HBHH", 0, 0x73, 0, 13) + bytes(6)
    content = b"Rar!\x1a\x07\x00" + main + rar_entry(b"a.js", 0) + rar_entry(b"b.txt", 4)
    assert listing(content, RAR).entries == (
        Entry("a.js", 3, 9),
        Entry("b.txt", 3, 9, encrypted=True),
    )
    assert not listing(content, RAR).hidden
    hidden = b"Rar!\x1a\x07\x00" + struct.pack("<HBHH", 0, 0x73, 0x80, 13) + bytes(6)
    assert listing(hidden, RAR).encrypted


def test_a_rar_of_the_fifth_version_is_read() -> None:
    name = b"a.js"
    body = bytes([2, 2, 3, 0, 9, 0, 0, 0, len(name)]) + name
    entry = bytes(4) + bytes([len(body)]) + body + b"abc"
    assert listing(b"Rar!\x1a\x07\x01\x00" + entry, RAR).entries == (Entry("a.js", 3, 9),)
    crypt = bytes(4) + bytes([2, 4, 0])
    assert listing(b"Rar!\x1a\x07\x01\x00" + crypt, RAR).hidden


def test_a_7z_says_whether_it_is_locked() -> None:
    head = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(60)
    assert not listing(head, SEVEN).encrypted
    assert listing(head + b"\x06\xf1\x07\x01" + bytes(20), SEVEN).encrypted


@given(st.binary(max_size=400), st.sampled_from([ZIP, RAR, SEVEN, TAR]))
def test_no_bytes_raise(content: bytes, kind: str) -> None:
    for head in (b"", b"PK\x05\x06", b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"):
        assert len(listing(head + content, kind).entries) <= MOST_ENTRIES
    assert not has_macros(content, ())


@pytest.mark.parametrize(
    ("page", "marks"),
    [
        (b"<p onload=x>", {"script"}),
        (b"<script>eval(x)</script>", {"script", "decodes"}),
        (b"<form><input type = 'password'>", {"form", "password"}),
        (b"<p>Hello</p>", set()),
    ],
)
def test_pages_say_what_they_do(page: bytes, marks: set[str]) -> None:
    assert page_marks(page) == marks


def test_a_pdf_says_what_it_does() -> None:
    assert pdf_marks(b"%PDF /URI /Type /Page") == {"link", "single"}
    assert pdf_marks(b"%PDF /JavaScript" + b" /Type/Page" * 3) == {"script"}
