"""The skeleton of a mail."""

from mailweir_mail import parse
from mailweir_model.fingerprint.shape import LEAST_TAGS, MOST_TAGS, structure

ROW = "<tr><td><a href=x>{}</a></td><td><img src=y></td></tr>"


def of(
    rows: int,
    word: str = "word",
    *,
    head: str = "Content-Type: text/html\n",
    start: str = "<table>",
) -> str:
    message = parse(f"{head}\n{start}{ROW.format(word) * rows}</table>".encode())
    return structure(message, message.html_parts)


def test_words_do_not_matter() -> None:
    assert of(8, "one") == of(8, "another <b>word</b>")
    assert of(8).startswith("text/html|table tr td a td img tr")


def test_another_skeleton_is_another_structure() -> None:
    assert of(8) != of(9)
    assert of(8) != of(8, start="<div><table>")


def test_a_plain_page_has_none() -> None:
    assert of(1) == ""
    assert len(["table", "tr", "td", "a", "td", "img"]) < LEAST_TAGS


def test_text_has_none() -> None:
    assert of(8, head="Content-Type: text/plain\n") == ""


def test_repeats_are_drawn_together() -> None:
    one, two = (f"<p>{'<p>' * n}</p>" for n in (3, 5))
    assert of(8, start=one) == of(8, start=two)


def test_it_is_bounded() -> None:
    assert len(of(3000).split("|")[1].split()) <= MOST_TAGS
