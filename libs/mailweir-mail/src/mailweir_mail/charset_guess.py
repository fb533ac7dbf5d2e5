"""Which charset octets are in that are not UTF-8: a guess from a sample, in bounded time.

A general detector costs milliseconds per text. Mail that declares no charset is rare, and what it comes in
is a short list, so the guess rests on two facts: East Asian octets come in runs that their codec accepts and
that give frequent characters; Cyrillic ones come in runs too, mostly lower case in the right one of two
charsets. Everything else is taken for windows-1252, as clients do.
"""

import math
import re
from typing import Final

SAMPLE: Final = 4096  # octets around the first high ones
_MIN_HIGH: Final = 6  # fewer high octets tell nothing
_RUN_SHARE: Final = (
    0.6  # of high octets that stand beside another one; Western text has below a third
)
_LIKELY: Final = 0.6  # share of frequent characters that makes a codec the right one

_RUNS: Final = re.compile(rb"[\x80-\xff]{2,}")
_KANA: Final = re.compile("[\u3040-\u30ff]")
_HAN: Final = re.compile("[\u4e00-\u9fff]")
_WIDE: Final = re.compile("[^\x00-\x7f]")
_LOWER: Final = re.compile("[\u0430-\u044f\u0451]")
_CYRILLIC: Final = re.compile("[\u0400-\u045f]")
# The frequent characters stand in one area of each national set, and their octets tell the sets apart.
_KS_PAIRS: Final = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")
_GB_PAIRS: Final = re.compile(rb"[\xb0-\xd7\xa3\xa1][\xa1-\xfe]")
_BIG5_PAIRS: Final = re.compile(rb"[\xa4-\xc6\xa1][\x40-\x7e\xa1-\xfe]")


def guess(data: bytes) -> str:
    """Return a codec for octets that are no valid UTF-8; at least windows-1252, which takes anything."""
    if b"\x1b$" in data[:SAMPLE]:
        return "iso2022_kr" if b"\x1b$)C" in data[:SAMPLE] else "iso2022_jp_ext"
    sample = _sample(data)
    wide = _utf16(sample)
    if wide:
        return wide
    high = len(sample) - len(sample.translate(None, bytes(range(0x80, 0x100))))
    in_runs = sum(map(len, _RUNS.findall(sample)))
    if high < _MIN_HIGH:
        return "cp1252"
    return _asian(sample) or (_cyrillic(sample) if in_runs >= high * _RUN_SHARE else "cp1252")


def _sample(data: bytes) -> bytes:
    """Cut a sample that begins a little before the first high octet, at a line's start if there is one."""
    found = re.search(rb"[\x80-\xff\x00]", data)
    start = max(0, found.start() - 64) if found else 0
    line = data.find(b"\n", start, found.start()) if found else -1
    start = line + 1 if line >= 0 else start
    return data[start : start + SAMPLE]


def _utf16(sample: bytes) -> str | None:
    """Wide text without a mark shows as a NUL in every second octet."""
    half = len(sample) // 2
    if half < 4:
        return None
    if sample[1::2].count(0) > half * 0.7 and sample[0::2].count(0) < half * 0.1:
        return "utf-16-le"
    if sample[0::2].count(0) > half * 0.7 and sample[1::2].count(0) < half * 0.1:
        return "utf-16-be"
    return None


def _asian(sample: bytes) -> str | None:
    """Score each codec that accepts the sample by how many of its characters are frequent ones."""
    scores = {
        codec: _score(sample, codec) for codec in ("cp949", "euc_jp", "cp932", "gb18030", "cp950")
    }
    best = max(scores, key=lambda codec: scores[codec])
    return best if scores[best] >= _LIKELY else None


def _score(sample: bytes, codec: str) -> float:
    text = _accepted(sample, codec)
    wide = len(_WIDE.findall(text))
    if wide < _MIN_HIGH // 2:
        return 0.0
    if codec == "cp949":
        return len(_KS_PAIRS.findall(sample)) / wide
    if codec in ("euc_jp", "cp932"):
        kana = len(_KANA.findall(text))
        return (kana + len(_HAN.findall(text))) / wide if kana * 10 >= wide else 0.0
    pairs = _GB_PAIRS if codec == "gb18030" else _BIG5_PAIRS
    return len(pairs.findall(sample)) / wide * math.sqrt(len(_HAN.findall(text)) / wide)


def _accepted(sample: bytes, codec: str) -> str:
    """Decode strictly; only the sample's last character may be cut off."""
    for cut in range(4):
        try:
            return sample[: len(sample) - cut].decode(codec)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4:
                return ""
    return ""


def _cyrillic(sample: bytes) -> str:
    """Running text is mostly lower case; in the wrong one of the two charsets it is mostly upper."""
    lower = {
        codec: len(_LOWER.findall(sample.decode(codec, "replace")))
        for codec in ("cp1251", "koi8_r")
    }
    best = max(lower, key=lambda codec: lower[codec])
    text = sample.decode(best, "replace")
    letters = len(_CYRILLIC.findall(text))
    return best if letters >= _MIN_HIGH and lower[best] >= letters * _LIKELY else "cp1252"
