"""The sender as it is compared: what a mailing changes from message to message is taken out.

| out | of |
| --- | --- |
| `prvs=1234abcdef=`, `btv1==abc==` | BATV: a tag with a signature |
| hash and day of `SRS0=HHH=TT=...`, `SRS1=HHH=` | SRS: a forwarder's rewriting |
| `+tag` | subaddresses |
| `-bob=example.org` | VERP: the recipient in the return path |
| numbers, long tokens with digits | counters, message ids |
"""

import re
from typing import Final

MAX_LOCAL: Final = 256
"""Characters of a local part that are looked at; RFC 5321 §4.5.3.1.1 allows 64 octets."""
BLANK: Final = "#"

_BATV: Final = re.compile(r"(?:prvs=[^=]+=|btv1==[^=]+==)(?=.)")
_SRS: Final = re.compile(r"(srs[01])[=+-][^=]*=(?:[a-z0-9]{2}=)?(?=.)")
_VERP: Final = re.compile(r"[a-z0-9._]*=[a-z0-9.-]+$")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # RFC 9562
_TOKEN: Final = re.compile(r"[a-z0-9]+")
_BLANKS: Final = re.compile(rf"{BLANK}(?:[-_.=]*{BLANK})+")
_LONG_TOKEN: Final = 12
"""A word of letters and digits from this length on is an id; `web2print` is not."""


def normal_sender(sender: str) -> str:
    """Return the sender in lower case without what changes; done twice it is the same."""
    local, at, domain = sender.casefold().rpartition("@")
    if not at:
        return sender.casefold()
    return f"{_normal_local(local[:MAX_LOCAL])}@{domain}"


def _normal_local(local: str) -> str:
    local = _SRS.sub(r"\1=", _BATV.sub("", local, count=1), count=1)
    word, plus, _ = local.partition("+")
    local = word if plus and word else local
    if not local.startswith("srs"):
        local = _VERP.sub(BLANK, local)
    local = _UUID.sub(BLANK, local)
    return _BLANKS.sub(BLANK, _TOKEN.sub(_blank_if_id, local))


def _blank_if_id(found: "re.Match[str]") -> str:
    token = found[0]
    if token.isdigit():
        return BLANK
    digits = sum(map(str.isdigit, token))
    hexadecimal = digits and len(token) >= 8 and not set(token) - set("0123456789abcdef")
    return BLANK if hexadecimal or (digits >= 2 and len(token) >= _LONG_TOKEN) else token
