"""Characters from octets: labels, fallbacks, guesses."""

import codecs

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.charset import decode, find_codec, meta_charset
from mailweir_mail.charset_guess import guess
from mailweir_mail.charset_labels import CODECS
from mailweir_mail.defects import DefectKind

SAMPLES = {
    "gb18030": "尊敬的客户，您好！我们公司提供优质的服务，欢迎您来电咨询。本公司诚信经营，价格优惠。",
    "cp950": "親愛的客戶，您好！我們公司提供優質的服務，歡迎您來電諮詢。這是一封測試郵件，請勿回覆。",
    "cp932": "お客様各位、いつもお世話になっております。ご注文の商品を発送いたしました。",
    "euc_jp": "お客様各位、いつもお世話になっております。ご注文の商品を発送いたしました。",
    "cp949": "안녕하세요 고객님, 저희 회사는 최고의 서비스를 제공합니다. 감사합니다.",
    "cp1251": "Уважаемый клиент, мы предлагаем вам лучшие услуги нашей компании.",
    "koi8_r": "Уважаемый клиент, мы предлагаем вам лучшие услуги нашей компании.",
    "cp1252": "Sehr geehrter Herr Müller, für Ihre Bestellung über größere Mengen danken wir schön.",
    "utf-16-le": "A text in wide characters without a mark",
    "utf-16-be": "A text in wide characters without a mark",
}


def test_every_label_has_a_codec_that_exists() -> None:
    for label, codec in CODECS.items():
        assert label == label.lower()
        assert codecs.lookup(codec)


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        (None, ""),
        ("", ""),
        ("UTF-8", "utf-8"),
        (" utf-8 ", "utf-8"),
        ('"utf8"', "utf-8"),
        ("us-ascii", ""),
        ("unknown-8bit", ""),
        ("ISO-8859-1", "cp1252"),
        ("iso_8859_1", "cp1252"),
        ("gb2312", "gb18030"),
        ("ks_c_5601-1987", "cp949"),
        ("x-made-up", None),
        # codecs of Python that are none of mail's
        ("unicode_escape", None),
        ("idna", None),
        ("punycode", None),
        ("zlib", None),
        ("rot13", None),
        ("undefined", None),
    ],
)
def test_labels(label: str | None, codec: str | None) -> None:
    assert find_codec(label) == codec


@pytest.mark.parametrize(
    ("data", "label", "text", "defects"),
    [
        (b"plain", None, "plain", ()),
        ("é".encode(), "utf-8", "é", ()),
        ("é".encode(), None, "é", ()),
        ("é".encode(), "us-ascii", "é", ()),
        (b"\xe9", "iso-8859-1", "é", ()),
        (b"\x80", "iso-8859-1", "€", ()),
        (b"caf\xe9 au lait", None, "café au lait", (DefectKind.CHARSET_GUESSED,)),
        (b"caf\xe9 au lait", "utf-8", "café au lait", (DefectKind.CHARSET_GUESSED,)),
        (b"caf\xc3\xa9 \xff", "utf-8", "café \ufffd", (DefectKind.CHARSET_BROKEN,)),
        ("日本".encode()[:-1], None, "日\ufffd", (DefectKind.CHARSET_BROKEN,)),
        (b"caf\xe9", "x-made-up", "café", (DefectKind.CHARSET_UNKNOWN, DefectKind.CHARSET_GUESSED)),
        (b"plain", "x-made-up", "plain", (DefectKind.CHARSET_UNKNOWN,)),
        ("日本語é".encode(), "euc-jp", "日本語é", (DefectKind.CHARSET_GUESSED,)),
        (b"\x81\x40\xff\xfd", "shift_jis", "\u3000\uf8f3\uf8f1", ()),
        (b"\xef\xbb\xbfmarked", None, "marked", ()),
        (b"\xef\xbb\xbf\xc3\xa9", "iso-8859-1", "é", ()),
        (b"\xff\xfea\0b\0", None, "ab", ()),
        (b"\xfe\xff\0a\0b", "utf-8", "ab", ()),
        (b"+AOk-", "utf-7", "é", ()),
        (b"\x1b$BF|K\\\x1b(B", None, "日本", ()),
        (b"\x1b$BF|K\\\x1b(B", "iso-2022-jp", "日本", ()),
        (b"~{VPND~}", "hz-gb-2312", "中文", ()),
        (b"a\0b", None, "a\0b", ()),
    ],
)
def test_decoding(
    data: bytes, label: str | None, text: str, defects: tuple[DefectKind, ...]
) -> None:
    found = decode(data, label)
    assert found.text == text
    assert found.defects == defects


@pytest.mark.parametrize("codec", SAMPLES)
@pytest.mark.parametrize("prefix", ["", "An English line first, as a quotation has it.\n"])
def test_guesses(codec: str, prefix: str) -> None:
    text = prefix + SAMPLES[codec]
    if codec.startswith("utf-16") and prefix:
        text = text * 2
    assert guess(text.encode(codec)) == codec


def test_too_little_to_tell_is_windows_1252() -> None:
    assert guess(b"caf\xe9") == "cp1252"
    assert guess(b"\xff\x81 " * 3) == "cp1252"


def test_a_guess_looks_where_the_octets_are() -> None:
    text = "plain text " * 1000 + SAMPLES["koi8_r"]
    assert guess(text.encode("koi8_r")) == "koi8_r"


def test_korean_shift_sequences() -> None:
    assert guess(b"\x1b$)C\x0e!!\x0f") == "iso2022_kr"


@pytest.mark.parametrize(
    ("html", "charset"),
    [
        (b'<meta charset="utf-8">', "utf-8"),
        (b"<META CHARSET=koi8-r>", "koi8-r"),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
            "windows-1251",
        ),
        (b"<meta charset = 'gb2312' >", "gb2312"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<p charset=utf-8>", None),
        (b" " * 4000 + b"<meta charset=utf-8>", None),
    ],
)
def test_meta(html: bytes, charset: str | None) -> None:
    assert meta_charset(html) == charset


@given(st.binary(max_size=300), st.sampled_from([None, "bogus", *sorted(set(CODECS))]))
def test_any_octets_decode(data: bytes, label: str | None) -> None:
    found = decode(data, label)
    found.text.encode("utf-8", "surrogatepass")
    assert isinstance(found.codec, str)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), min_size=1))
def test_declared_text_comes_back(text: str) -> None:
    data = text.encode()
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert decode(data, "utf-8") == (text, "utf-8", ())
