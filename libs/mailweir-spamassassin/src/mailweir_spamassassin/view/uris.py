"""The addresses of a message: in running text, and where its HTML leads."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from .canonical import MAX_URI, forms, url_encoded
from .domains import is_host
from .html import Html
from .site import Site

MAX_URIS: Final = 10_240
_END: Final = rb"><\"`}\]{\[|\s\x1b\xa0"
_MAIL_END: Final = _END + rb",('\x80-\xff"
_FOUND: Final = re.compile(
    rb"(?:\b|(?<=[><\"'`,{\[(|\s\x1b\xa0]))(?:"
    rb"((?:(?:https?|ftp)://|(?:www\d{0,2}|ftp)\.)[^"
    + _END
    + rb"]{1,2048}+)(?=["
    + _END
    + rb"]|\Z)"
    rb"|(mailto:[^"
    + _MAIL_END
    + rb"]{1,2048}+|[^"
    + _MAIL_END
    + rb"@]{1,251}@[^"
    + _MAIL_END
    + rb"]{1,251}+)"
    rb"(?=[" + _MAIL_END + rb"]|\Z)"
    rb"|(?:\A|(?<=[!\"#$&'()*+,/:;<=>?@\[\\\]^`{|}~\s\x1b\xa0]))"
    rb"(([a-z\d][a-z\d._-]{0,251}\.([a-z\d-]+))\.?(?::\d{1,5})?(?:/[^"
    + _END
    + rb"]{1,2048}+)?)(?=["
    + _END
    + rb"]|\Z))",
    re.IGNORECASE,
)
_CLOSING: Final = re.compile(r"\A([^(]*)\).*\Z", re.DOTALL)
_PUNCTUATION: Final = "-~!@#^&*()_+=:;'?,."
_NAMED: Final = re.compile(r"[cm]id:", re.IGNORECASE)
_EMPTY: Final = re.compile(r"\w+:/{0,2}\Z", re.ASCII)
_SCHEMED: Final = re.compile(r"(?:https?|ftp|mailto):", re.IGNORECASE)
_WEB: Final = re.compile(r"www\d{0,2}\.", re.IGNORECASE)
_PATH_THEN_AT: Final = re.compile(r"/.+@")
_MISPARSED: Final = re.compile(r"\A(?:skype|e?-?mail)?:+", re.IGNORECASE)
_HEX: Final = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)
_MAIL_HOST: Final = re.compile(r"@([^?&>]*)")
_SPACES: Final = re.compile(r"(?:%20)+\Z")


@dataclass(slots=True)
class UriFacts:
    """One address: where it was found, its forms, and the hosts of these with their domains."""

    types: set[str] = field(default_factory=set)
    forms: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    anchors: list[str] = field(default_factory=list)


class Uris:
    """All addresses of one message, by the address as found; an octet per character."""

    def __init__(self, lines: Iterable[bytes], pages: Iterable[Html], site: Site) -> None:
        """Look through the body's lines and the pages; at most MAX_URIS are kept."""
        self._site = site
        self._seen: set[str] = set()
        self.found: dict[str, UriFacts] = {}
        self.truncated = False
        for line in lines:
            if b"." in line or b"@" in line:
                self._from_line(line)
        for page in pages:
            self._from_page(page)

    def all_forms(self) -> tuple[bytes, ...]:
        """Return every form of every address once, as `uri` rules see them."""
        every = dict.fromkeys(form for facts in self.found.values() for form in facts.forms)
        return tuple(form.encode("latin-1", "replace") for form in every)

    def _from_line(self, line: bytes) -> None:
        blank = b""  # an address may begin with a character that only the blank before it makes a beginning
        for word in line.split():
            if (b"." in word or b"@" in word) and len(self.found) < MAX_URIS:
                for match in _FOUND.finditer(blank + word):
                    self._from_text(match)
            blank = b" "

    def _from_text(self, match: re.Match[bytes]) -> None:
        raw = (match[1] or match[2] or match[3]).decode("latin-1")
        if match[3] and not self._site.domains.is_top(match[5].decode("latin-1")):
            return
        uri = _CLOSING.sub(r"\1", raw).rstrip(_PUNCTUATION)
        if uri in self._seen:
            return
        self._seen.add(uri)
        if (match[2] and "@" not in uri) or _NAMED.match(uri) or _EMPTY.match(uri):
            return
        if match[3] and not is_host(match[4].decode("latin-1").lower()):
            return
        types = {"parsed"}
        uri = self._with_scheme(uri, types)
        if uri.lower().startswith("mailto:"):
            uri = self._mailto(uri)
        if uri:
            self._add(uri, types, must_be_valid=True)

    def _with_scheme(self, uri: str, types: set[str]) -> str:
        if _SCHEMED.match(uri):
            return uri
        types.add("schemeless")
        if uri[:4].lower() == "ftp.":
            return "ftp://" + uri
        if _WEB.match(uri) or _PATH_THEN_AT.search(uri):
            return "http://" + uri
        if "@" in uri:
            if "." not in uri[uri.find("@") + 2 :] or "&nbsp;" in uri:
                return ""
            return "mailto:" + _MISPARSED.sub("", uri)
        if "." not in uri:
            return ""
        types.add("unlinked")
        return "http://" + uri

    def _mailto(self, uri: str) -> str:
        if _HEX.search(uri):
            uri = url_encoded(uri)
        host = _MAIL_HOST.search(uri)
        if host is None or not self._site.domains.is_valid(_SPACES.sub("", host[1])):
            return ""
        return uri

    def _from_page(self, page: Html) -> None:
        self.truncated = self.truncated or page.uri_truncated
        for uri, target in page.targets.items():
            octets = uri.encode("utf-8", "replace").decode("latin-1")
            facts = self._add(octets, target.types or {"parsed"}, must_be_valid=False)
            if facts is not None:
                facts.anchors.extend(dict.fromkeys(target.anchors))

    def _add(self, uri: str, types: Iterable[str], *, must_be_valid: bool) -> UriFacts | None:
        if len(self.found) >= MAX_URIS:
            return None
        known = self.found.get(uri)
        if known is None:
            known = self._facts(uri)
        if not known.forms or (must_be_valid and not known.hosts):
            return None
        self.found[uri] = known
        known.types.update(types)
        return known

    def _facts(self, uri: str) -> UriFacts:
        facts = UriFacts(forms=dict.fromkeys(forms(uri, self._site)))
        for form in facts.forms:
            self.truncated = self.truncated or len(form) >= MAX_URI
            place = self._site.domains.of_uri(form)
            if place is not None:
                facts.hosts[place[1]] = place[0]
        return facts
