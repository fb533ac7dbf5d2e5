"""Domains by kind: who registered, and services where anybody puts up a page in a minute."""

import re
from typing import Final

SHORTENERS: Final = frozenset(
    {
        "bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "cutt.ly",
        "rebrand.ly", "rb.gy", "shorturl.at", "t.ly", "tiny.cc", "s.id", "lnkd.in", "qrco.de",
        "urlz.fr", "v.gd", "bl.ink", "short.gy",
    }
)  # fmt: skip
HOSTING: Final = (
    "googleapis.com", "googleusercontent.com", "web.app", "firebaseapp.com", "sites.google.com",
    "docs.google.com",
    "drive.google.com", "forms.gle", "blogspot.com", "amazonaws.com", "cloudfront.net", "windows.net",
    "azurewebsites.net", "sharepoint.com", "onedrive.live.com", "1drv.ms", "dropbox.com", "weebly.com",
    "wixsite.com", "wordpress.com", "github.io", "glitch.me", "netlify.app", "vercel.app", "pages.dev",
    "workers.dev", "r2.dev", "herokuapp.com", "ipfs.io", "000webhostapp.com", "telegra.ph", "t.me", "wa.me",
    "notion.site", "webflow.io", "godaddysites.com", "square.site", "duckdns.org", "ngrok.io",
)  # fmt: skip
"""Where anybody puts up a page: the name of the owner says nothing about who wrote it."""

_ADDRESS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-f]*:[0-9a-f:.]+\]?")
_SECOND_LEVEL: Final = frozenset(
    {"ac", "co", "com", "edu", "gob", "gov", "gv", "mil", "ne", "net", "nom", "or", "org"}
)
_OLD_ENDINGS: Final = frozenset({"com", "net", "org", "edu", "gov", "info", "biz", "mil"})
_LONGEST: Final = 255


def is_address(host: str) -> bool:
    """Say whether a host is an IP address and no name."""
    return _ADDRESS.fullmatch(host) is not None


def owner_of(domain: str) -> str:
    """Return about the part of a domain that one owner registered; empty for an empty one."""
    domain = domain[:_LONGEST].strip(".[]").lower()
    if not domain or is_address(domain):
        return domain
    labels = domain.split(".")
    country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if country else -2 :])


def ending_of(host: str) -> str:
    """Return the kind of a host's last label: a country's is only that, since countries have languages."""
    last = host.rpartition(".")[2].lower()
    if len(last) == 2:
        return "country"
    return last if last in _OLD_ENDINGS else "new"


def service_of(host: str) -> str:
    """Return `shortener`, `hosting` or the empty string."""
    if host in SHORTENERS:
        return "shortener"
    return "hosting" if host.endswith(HOSTING) else ""
