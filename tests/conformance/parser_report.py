"""Compare the parser with the expected parses of another project's suite, and write docs/parser.md.

`python tests/conformance/parser_report.py` compares and prints; `--write` writes the document, in which every
disagreement stands with its explanation (from parser_explanations.toml beside this file).
"""

import argparse
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mailweir_mail import (
    Address,
    AddressList,
    Group,
    Header,
    Headers,
    Message,
    Part,
    parse,
    parse_addresses,
    parse_date,
    parse_received,
    parse_value,
)
from mailweir_testkit import shared

SUITE: Final = "stalwart-mail-parser"
EXPLANATIONS: Final = Path(__file__).with_name("parser_explanations.toml")
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "parser.md"
ASPECTS: Final = ("headers", "text", "attachments", "fields", "malformed")
MOST: Final = 1000
Json = Any  # the suite's own format, walked once below


@dataclass(frozen=True, slots=True)
class Item:
    """One value of the suite: where it stands, what is expected, what we say."""

    aspect: str
    place: str
    expected: object
    ours: object

    @property
    def agrees(self) -> bool:
        """Say whether both say the same."""
        return self.expected == self.ours

    @property
    def key(self) -> str:
        """Return aspect and place."""
        return f"{self.aspect} {self.place}"

    @property
    def plain_key(self) -> str:
        """Return what explanations are filed under: both line-end variants of a mail are one."""
        return self.key.replace(".crlf", "")


def compare_suite(suite: Path) -> list[Item]:
    """Return every comparison, mails first, then the tables of single fields."""
    items: list[Item] = []
    for path in sorted((suite / "eml").rglob("*.json")):
        stem = path.name.removesuffix(".json")
        raw = path.with_name(stem.removesuffix(".crlf") + ".eml").read_bytes()
        if stem.endswith(".crlf"):
            raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        place = str(path.relative_to(suite / "eml")).removesuffix(".json")
        found = _mail(place, json.loads(path.read_bytes()), parse(raw))
        items.extend(
            replace(item, aspect="malformed") if place.startswith("malformed/") else item
            for item in found
        )
    for name, check in _TABLES.items():
        for number, case in enumerate(json.loads((suite / f"{name}.json").read_bytes())):
            field = Headers(b"X: " + case["header"].encode("utf-8", "surrogateescape"))[0]
            expected, ours = check(case["expected"], field)
            place = f"{name}.json#{number}"
            if check is _received:
                items.extend(_hop_items("fields", place, expected, ours))
            else:
                items.append(Item("fields", place, expected, ours))
    return items


# -- mails ------------------------------------------------------------------------------------------------


def _mail(place: str, expected: Json, message: Message) -> Iterator[Item]:
    yield from _headers(place, expected["parts"][0]["headers"], message.headers)
    theirs, ours = expected["parts"], _own_parts(message.root)
    if len(theirs) == len(ours):
        for number, (part, own) in enumerate(zip(theirs[1:], ours[1:], strict=True), start=1):
            yield from _headers(f"{place}/part{number}", part["headers"], own.headers)
    for key, parts in (("text_body", message.text_parts), ("html_body", message.html_parts)):
        bodies = [theirs[number] for number in expected[key]]
        shown = [_their_content(part) for part in bodies if "InlineBinary" not in part["body"]]
        own = [_own_content(part) for part in parts if part.is_text]
        yield from _lists("text", f"{place}/{key}", shown, own)
    files = [_their_file(theirs[number]) for number in expected["attachments"]]
    yield from _files(place, files, [_own_file(part) for part in message.attachments])


File = tuple[object, object, object]  # name, type, content


def _files(place: str, theirs: Sequence[File], ours: Sequence[File]) -> Iterator[Item]:
    yield Item("attachments", f"{place}/count", len(theirs), len(ours))
    if len(theirs) == len(ours):
        for number, (their, own) in enumerate(zip(theirs, ours, strict=True)):
            for what, expected, value in zip(("name", "type", "content"), their, own, strict=True):
                yield Item("attachments", f"{place}/{what}[{number}]", expected, value)


def _their_file(part: Json) -> File:
    fields = {_their_name(field): field["value"] for field in part["headers"]}
    declared = fields.get("content_type")
    kind = declared["ContentType"] if isinstance(declared, dict) else None
    names = [
        pair["value"]
        for field, wanted in (("content_disposition", "filename"), ("content_type", "name"))
        if isinstance(fields.get(field), dict)
        for pair in fields[field]["ContentType"]["attributes"] or ()
        if pair["name"].lower() == wanted
    ]
    type_ = f"{kind['c_type']}/{kind['c_subtype']}".lower() if kind else "text/plain"
    return _spaced(names[0]) if names else "", type_, _their_content(part)


def _own_file(part: Part) -> File:
    return _spaced(part.filename), part.content_type.value or "text/plain", _own_content(part)


def _lists(
    aspect: str, place: str, theirs: Sequence[object], ours: Sequence[object]
) -> Iterator[Item]:
    for number in range(max(len(theirs), len(ours))):
        expected = theirs[number] if number < len(theirs) else None
        own = ours[number] if number < len(ours) else None
        yield Item(aspect, f"{place}[{number}]", expected, own)


def _own_parts(root: Part) -> list[Part]:
    """List the parts as the suite does: an embedded message is one part here, with parts of its own."""
    parts, stack = [], [root]
    while stack:
        part = stack.pop()
        parts.append(part)
        if not part.is_message:
            stack.extend(reversed(part.children))
    return parts


def _their_content(part: Json) -> object:
    kind, content = next(iter(part["body"].items()))
    if kind == "Message":
        return "an embedded message"
    return _plain(content if isinstance(content, str) else bytes(content))


def _own_content(part: Part) -> object:
    if part.is_message:
        return "an embedded message"
    return _plain(part.text if part.is_text else part.content)


def _plain(content: str | bytes) -> object:
    """Leave line ends and blanks out of the comparison; octets that are text compare as text."""
    if isinstance(content, bytes):
        try:
            content = content.decode()
        except UnicodeDecodeError:
            return content.replace(b"\r\n", b"\n")
    return " ".join(content.split())


def _headers(place: str, theirs: Sequence[Json], ours: Headers) -> Iterator[Item]:
    names = [_their_name(field).replace("-", "_").lower() for field in theirs]
    own_names = [field.name.replace("-", "_").lower() for field in ours]
    yield Item("headers", f"{place}/names", names, own_names)
    if names == own_names:
        for expected, field, name in zip(theirs, ours, names, strict=True):
            their, own = _field(expected["value"], field)
            if isinstance(expected["value"], dict) and "Received" in expected["value"]:
                yield from _hop_items("headers", f"{place}/{name}", their, own)
            else:
                yield Item("headers", f"{place}/{name}", their, own)


def _their_name(field: Json) -> str:
    name = field["name"]
    return str(name if isinstance(name, str) else name["other"])


def _field(expected: Json, field: Header) -> tuple[object, object]:
    if isinstance(expected, str):
        return "", "" if expected == "Empty" and not field.text else field.text
    kind, value = next(iter(expected.items()))
    return _KINDS[kind](value, field)


# -- kinds of field ---------------------------------------------------------------------------------------


def _text(expected: Json, field: Header) -> tuple[object, object]:
    return _spaced(expected or ""), _unbracketed(field.text, expected or "")


def _unbracketed(text: str, like: str) -> str:
    """The suite gives ids without their brackets."""
    bare = text.startswith("<") and text.endswith(">") and not like.startswith("<")
    return _spaced(text[1:-1] if bare else text)


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _texts(expected: Json, field: Header) -> tuple[object, object]:
    return [_spaced(text) for text in expected or ()], [
        t for text in field.text.split(",") if (t := _spaced(text))
    ]


def _ids(expected: Json, field: Header) -> tuple[object, object]:
    message = Message(b"References: " + field.value)
    return expected or [], list(message.message_ids("references"))


def _date(expected: Json, field: Header) -> tuple[object, object]:
    return _moment(expected), _own_moment(parse_date(field.text))


def _moment(value: Json) -> object:
    if value is None:
        return None
    minutes = value["tz_hour"] * 60 + value["tz_minute"]
    names = ("year", "month", "day", "hour", "minute", "second")
    return [*(value[name] for name in names), -minutes if value["tz_before_gmt"] else minutes]


def _own_moment(value: datetime | None) -> object:
    if value is None:
        return None
    offset = value.utcoffset()
    minutes = int(offset.total_seconds() // 60) if offset else 0
    return [value.year, value.month, value.day, value.hour, value.minute, value.second, minutes]


def _type(expected: Json, field: Header) -> tuple[object, object]:
    own = parse_value(field.undecoded, 64)
    params = sorted([name, _spaced(value)] for name, value in own.params if value)
    ours = [own.main or None, own.sub or None, params]
    if expected is None:
        return None, ours if own.value else None
    pairs = [
        (pair["name"], pair["value"]) if isinstance(pair, dict) else pair
        for pair in expected.get("attributes") or ()
    ]
    theirs = sorted(
        [name.lower(), _spaced(value)] for name, value in pairs if not name.endswith("-language")
    )
    return [_lower(expected["c_type"]), _lower(expected.get("c_subtype")), theirs], ours


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None


def _addresses(expected: Json, field: Header) -> tuple[object, object]:
    own = parse_addresses(field.undecoded, MOST)
    if expected is None:
        return None, None if not own.entries else _own_list(own)
    if "List" in expected:
        return [_mailbox(entry) for entry in expected["List"]], [
            _own_mailbox(a) for a in own.addresses
        ]
    groups = [
        [_spaced(g["name"] or ""), [_mailbox(a) for a in g["addresses"]]] for g in expected["Group"]
    ]
    return [group for group in groups if group[1] or group[0]], _own_list(own)


def _own_list(own: AddressList) -> list[list[object]]:
    """List groups as the suite does: mailboxes that follow one another outside any are a nameless group."""
    groups: list[list[object]] = []
    loose: list[object] = []
    for entry in own.entries:
        if isinstance(entry, Group):
            groups.extend([["", loose]] if loose else [])
            groups.append([_spaced(entry.name), [_own_mailbox(member) for member in entry.members]])
            loose = []
        else:
            loose.append(_own_mailbox(entry))
    return [*groups, *([["", loose]] if loose else [])]


def _mailbox(entry: Json) -> object:
    return [_spaced(entry["name"] or ""), _spaced(entry["address"] or "")]


def _own_mailbox(address: Address) -> object:
    return [_spaced(address.name), address.address]


def _received(expected: Json, field: Header) -> tuple[object, object]:
    """Compare what both models have: who, by whom, from which address, for whom, under which id, when."""
    value, own = expected or {}, parse_received(field.text)
    theirs = [
        _host(value.get("from")),
        _host(value.get("by")),
        _ip(value.get("from_ip")) or _ip(_host(value.get("from"))),
        (value.get("for_") or "").strip("<>"),
        (value.get("id") or "").strip(),
        _moment(value.get("date")),
    ]
    ip = str(own.ip) if own.ip else ""
    return theirs, [own.from_name, own.by, ip, own.for_, own.id, _own_moment(own.date)]


def _hop_items(aspect: str, place: str, expected: Json, ours: Json) -> Iterator[Item]:
    """A Received field is six facts, each a value of its own."""
    for what, their, own in zip(_HOP, expected, ours, strict=True):
        yield Item(aspect, f"{place}/{what}", their, own)


_HOP: Final = ("from", "by", "ip", "for", "id", "date")


def _host(value: Json) -> str:
    return str(value.get("Name") or value.get("IpAddr") or "").strip() if value else ""


def _ip(text: str | None) -> str:
    hop = parse_received(f"from x ([{text}])") if text else None
    return str(hop.ip) if hop and hop.ip else ""


_KINDS: Final = {
    "Text": _text,
    "TextList": _ids,
    "Address": _addresses,
    "DateTime": _date,
    "ContentType": _type,
    "Received": _received,
}
_TABLES: Final = {
    "address": _addresses,
    "content_type": _type,
    "date": _date,
    "id": _ids,
    "list": _texts,
    "received": _received,
    "unstructured": _text,
}


# -- report -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why we differ: reasons by name, and which item has which."""

    texts: dict[str, str]
    items: dict[str, str]

    def of(self, item: Item) -> str | None:
        """Return the reason's name of a disagreement; where several fit, the longest entry counts."""
        fitting = [entry for entry in self.items if _fits(entry, item.plain_key)]
        return self.items[max(fitting, key=len)] if fitting else None

    def unused(self, items: Sequence[Item]) -> list[str]:
        """Return the entries that explain nothing any more."""
        keys = {item.plain_key for item in items if not item.agrees}
        return [entry for entry in self.items if not any(_fits(entry, key) for key in keys)]


def _fits(entry: str, key: str) -> bool:
    return key.startswith(entry[:-1]) if entry.endswith("*") else key == entry


def load_reasons() -> Reasons:
    """Read the explanations' file."""
    data = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    items = {key: name for name, entry in data.items() for key in entry["items"]}
    return Reasons({name: entry["reason"] for name, entry in data.items()}, items)


def agreement(items: Sequence[Item]) -> dict[str, tuple[int, int]]:
    """Return per aspect how many values agree, and of how many."""
    agreed = Counter(item.aspect for item in items if item.agrees)
    total = Counter(item.aspect for item in items)
    return {aspect: (agreed[aspect], total[aspect]) for aspect in ASPECTS}


def document(items: Sequence[Item], reasons: Reasons) -> str:
    """Return docs/parser.md."""
    lines = [_HEAD]
    for aspect, (agreed, total) in agreement(items).items():
        lines.append(f"| {aspect} | {total} | {agreed} | {100 * agreed / total:.1f} % |")
    agreed, total = (sum(counts) for counts in zip(*agreement(items).values(), strict=True))
    lines.append(f"| all | {total} | {agreed} | {100 * agreed / total:.1f} % |")
    lines.append("\n## Every disagreement\n\n| why | where |\n| --- | --- |")
    differing = [item for item in items if not item.agrees]
    for name, text in reasons.texts.items():
        places = sorted({item.plain_key for item in differing if reasons.of(item) == name})
        if places:
            where = ", ".join(f"`{place}`" for place in places)
            lines.append(f"| **{name.replace('-', ' ')}**: {_spaced(text)} | {where} |")
    return "\n".join(lines) + "\n"


_HEAD: Final = """# The parser beside another one

Generated by `python tests/conformance/parser_report.py --write`; do not edit.

The suite of stalwart's mail-parser holds mails with the parse that is expected of them, and tables of
single fields. A value is one header field (of a Received field: one of its six facts), one shown text, the
name, type or content of one attachment, or one line of a table. Blanks and line ends do not count. `text` are
the bodies that a client without and one with HTML shows (RFC 8621 §4.1.4). `malformed` are all values of the
mails in the suite's folder of that name: mails made to be read in different ways, where no standard says what
is right.

| | values | agree | |
| --- | ---: | ---: | ---: |"""


def main() -> int:
    """Compare; print what differs, or write the document."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="write docs/parser.md")
    options.add_argument("--all", action="store_true", help="print explained disagreements too")
    chosen = options.parse_args()
    suite = shared.peers_dir(SUITE)
    if suite is None:
        print(shared.ABSENT, file=sys.stderr)
        return 2
    items, reasons = compare_suite(suite), load_reasons()
    unexplained = [item for item in items if not item.agrees and reasons.of(item) is None]
    for item in items if chosen.all else unexplained:
        if not item.agrees:
            print(
                f"{item.key}\n  expected {str(item.expected)[:300]}\n  ours     {str(item.ours)[:300]}"
            )
    for aspect, (agreed, total) in agreement(items).items():
        print(f"{aspect:12} {agreed:5} of {total:5}  {100 * agreed / total:.1f} %")
    if chosen.write:
        DOCUMENT.write_text(document(items, reasons), encoding="utf-8")
    return 1 if unexplained else 0


if __name__ == "__main__":
    raise SystemExit(main())
