"""Which parts are shown, and which are attachments (RFC 8621 section 4.1.4)."""

import pytest

from mailweir_mail import Message, parse

Tree = tuple[str, list["Tree"]] | str


def build(tree: Tree, level: int = 0) -> bytes:
    """Write a part: `type` or `type; header`, or a multipart with its parts."""
    if isinstance(tree, str):
        kind, _, disposition = tree.partition(" / ")
        extra = f"Content-Disposition: {disposition}\n" if disposition else ""
        return f"Content-Type: {kind}\n{extra}\n{kind}".encode()
    kind, parts = tree
    body = b"".join(b"--b%d\n%s\n" % (level, build(part, level + 1)) for part in parts)
    return f"Content-Type: {kind}; boundary=b{level}\n\n".encode() + body + b"--b%d--\n" % level


def numbers(message: Message) -> tuple[list[str], list[str], list[str]]:
    return (
        [part.number for part in message.text_parts],
        [part.number for part in message.html_parts],
        [part.number for part in message.attachments],
    )


@pytest.mark.parametrize(
    ("tree", "text", "html", "files"),
    [
        ("text/plain", [""], [""], []),
        ("text/html", [""], [""], []),
        ("image/png", [""], [""], [""]),
        ("application/pdf", [], [], [""]),
        ("text/plain / attachment", [], [], [""]),
        (("multipart/alternative", ["text/plain", "text/html"]), ["1"], ["2"], []),
        (("multipart/alternative", ["text/html", "text/plain"]), ["2"], ["1"], []),
        (("multipart/alternative", ["text/plain"]), ["1"], ["1"], []),
        (("multipart/alternative", ["text/html"]), ["1"], ["1"], []),
        (("multipart/alternative", ["text/plain", "text/calendar"]), ["1"], ["1"], ["2"]),
        (("multipart/mixed", ["text/plain", "text/html"]), ["1", "2"], ["1", "2"], []),
        (("multipart/mixed", ["text/plain", "application/zip"]), ["1"], ["1"], ["2"]),
        (("multipart/mixed", ["text/plain", "text/plain; name=a.txt"]), ["1"], ["1"], ["2"]),
        (("multipart/mixed", ["text/plain; name=a.txt", "text/plain"]), ["1", "2"], ["1", "2"], []),
        (("multipart/mixed", ["text/plain", "image/png"]), ["1", "2"], ["1", "2"], ["2"]),
        (("multipart/mixed", ["text/plain", "message/rfc822"]), ["1"], ["1"], ["2"]),
        (("multipart/related", ["text/html", "image/png", "text/plain"]), ["1"], ["1"], ["2", "3"]),
        (
            ("multipart/mixed", [("multipart/alternative", ["text/plain", "text/html"]), "application/pdf"]),
            ["1.1"], ["1.2"], ["2"],
        ),
        (
            ("multipart/alternative", ["text/plain", ("multipart/related", ["text/html", "image/png"])]),
            ["1"], ["2.1"], ["2.2"],
        ),
        (  # text after HTML inside an alternative is shown with the HTML
            ("multipart/alternative", ["text/plain", ("multipart/mixed", ["text/html", "text/plain"])]),
            ["1"], ["2.1", "2.2"], [],
        ),
        (  # the example of RFC 8621 section 4.1.4, parts A to K
            ("multipart/mixed", [
                "text/plain",
                ("multipart/mixed", [
                    ("multipart/alternative", [
                        ("multipart/mixed", ["text/plain", "image/jpeg", "text/plain"]),
                        ("multipart/related", ["text/html", "image/jpeg"]),
                    ]),
                    "image/jpeg / attachment", "application/x-excel", "message/rfc822",
                ]),
                "text/plain",
            ]),
            ["1", "2.1.1.1", "2.1.1.2", "2.1.1.3", "3"], ["1", "2.1.2.1", "3"],
            ["2.1.1.2", "2.1.2.2", "2.2", "2.3", "2.4"],
        ),
    ],
)  # fmt: skip
def test_sorting(tree: Tree, text: list[str], html: list[str], files: list[str]) -> None:
    assert numbers(parse(build(tree))) == (text, html, files)


def test_an_embedded_message_stays_whole() -> None:
    inner = build(("multipart/mixed", ["text/plain", "application/pdf"]), 5)
    raw = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\ntext\n--a\nContent-Type: message/rfc822\n\n"
    message = parse(raw + inner + b"\n--a--\n")
    assert numbers(message) == (["1"], ["1"], ["2"])
