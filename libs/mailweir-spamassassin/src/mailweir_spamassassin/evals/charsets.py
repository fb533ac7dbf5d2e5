"""Charsets of languages that the site does not read (`ok_locales`; by default all are read)."""

import re
from typing import Final

from mailweir_spamassassin.view.site import Site

_EVERYWHERE: Final = re.compile(
    r"(?:US)?ASCII\Z|ISO8859|ISO10646|UTF|UCS|CP125|WINDOWS|IBM852\Z|UNICODE11UTF[78]|XUNKNOWN\Z|ISO\Z"
)
_BY_LOCALE: Final = {
    "ja": "EUCJP ISO2022JP SHIFTJIS SJIS JISX0201 JISX0208 JISX0212 CP932",
    "ko": "EUCKR KSC5601 ISO2022KR CP949",
    "ru": "KOI8R KOI8U KOI8T ISOIR111 CP1251 GEORGIANPS PT154",
    "th": "TIS620",
    "zh": "GB1988 GB2312 GB18030 GBK BIG5HKSCS BIG5 EUCTW CP936 CP950 EUCCN ISO2022CN",
}
_NOT_NAME: Final = re.compile(r"[^A-Z0-9]")


def locales(site: Site) -> frozenset[str]:
    """Return the languages whose charsets are read; empty for all."""
    words = site.words("ok_locales")
    return frozenset() if "all" in words else frozenset(word[:2] for word in words)


def is_faraway(charset: str, allowed: frozenset[str]) -> bool:
    """Say whether a charset is none that the allowed languages are written in."""
    if not allowed:
        return False
    name = _NOT_NAME.sub("", charset.upper().partition(":")[0])
    if _EVERYWHERE.match(name):
        return False
    return not any(name in _BY_LOCALE.get(locale, "").split() for locale in allowed)
