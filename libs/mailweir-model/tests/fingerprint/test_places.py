"""Where links lead, whatever is made anew for each copy."""

import pytest

from mailweir_mail import parse
from mailweir_model.fingerprint.places import LEAST_SHAPES, MOST_LINKS, links_shape

THREE = ("http://shop.example/a", "http://shop.example/b", "http://pay.example/")


def shape(*urls: str, head: str = "", html: bool = False) -> list[str]:
    body = "".join(f'<a href="{u}">x</a>' for u in urls) if html else "\n".join(urls)
    kind = "html" if html else "plain"
    message = parse(f"{head}Content-Type: text/{kind}\n\n{body}\n".encode())
    return links_shape(message, message.html_parts).split()


def test_shapes_are_sorted_and_each_is_there_once() -> None:
    assert shape(*THREE, *THREE) == ["pay.example", "shop.example/a", "shop.example/b"]


@pytest.mark.parametrize("html", [True, False])
def test_text_and_markup_alike(html: bool) -> None:
    assert shape(*THREE, html=html) == shape(*reversed(THREE))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://shop.example/u/123/x", "http://shop.example/u/98765/x"),
        ("http://a1b2.shop.example/", "http://q9.shop.example/"),
        ("https://shop.example/t?id=1&c=2", "http://shop.example/t?c=9&id=77"),
        ("http://shop.example/aGVsbG8gd29ybGQ9PQ", "http://shop.example/Zm9vYmFyYmF6MTIz"),
        ("http://WWW.shop.example/Page", "http://shop.example/page"),
        ("http://shop.example:8080/x#a", "http://user@shop.example/x"),
    ],
)
def test_what_differs_in_copies_does_not_matter(one: str, other: str) -> None:
    assert shape(*THREE, one) == shape(*THREE, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://shop.example/order", "http://shop.example/account"),
        ("http://one.example/x", "http://two.example/x"),
        ("http://shop.example/x?id=1", "http://shop.example/x?user=1"),
    ],
)
def test_what_leads_elsewhere_does(one: str, other: str) -> None:
    assert shape(*THREE, one) != shape(*THREE, other)


def test_few_links_are_no_mark() -> None:
    assert shape(*THREE[: LEAST_SHAPES - 1]) == []
    assert shape(*[THREE[0]] * 20) == []


def test_the_home_of_the_list_is_left_out() -> None:
    footer = ("https://lists.club.example/options", "https://www.club.example/faq")
    head = "List-Id: Talk <talk.club.example>\n"
    assert shape(*THREE, *footer, head=head) == shape(*THREE)
    assert len(shape(*THREE, *footer)) == 5


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://[::1",
        "http://localhost/x",
        "mailto:a@b.example",
        "javascript:x",
        "#top",
        "",
    ],
)
def test_what_is_no_address_of_a_site_is_no_link(url: str) -> None:
    assert shape(*THREE, url, html=True) == shape(*THREE)


def test_pictures_do_not_count() -> None:
    message = parse(
        b"Content-Type: text/html\n\n"
        + b"".join(b"<img src=http://a%d.example/x>" % n for n in range(9))
    )
    assert links_shape(message, message.html_parts) == ""


def test_links_are_bounded() -> None:
    urls = [
        f"http://h{'abcdefghij'[n % 10]}{'abcdefghij'[n // 10 % 10]}{n // 100}.example/"
        for n in range(500)
    ]
    assert len(shape(*urls)) <= MOST_LINKS
