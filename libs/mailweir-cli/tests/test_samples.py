"""The sample mails: twelve, in wire form, and with nobody's real name in them."""

import email.utils
import re
from datetime import UTC, datetime

import pytest

from mailweir_cli.samples import Sample, load_samples
from mailweir_core.decision import Action

NOW = 1_767_225_600.0
SAMPLES = load_samples(NOW)
by_name = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
RESERVED = re.compile(r"(?:.*\.)?(?:example\.(?:com|net|org)|example|test|invalid)")
DOCUMENTATION = ("192.0.2.", "198.51.100.", "203.0.113.")


def named(name: str) -> Sample:
    return next(s for s in SAMPLES if s.name == name)


def test_there_are_twelve_in_order() -> None:
    assert [s.name[:2] for s in SAMPLES] == [f"{n:02d}" for n in range(1, 13)]
    assert len({s.title for s in SAMPLES}) == 12


@by_name
def test_lines_end_as_smtp_wants_them(sample: Sample) -> None:
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", sample.content) is None
    assert b"\r\n\r\n" in sample.content
    assert max(map(len, sample.content.split(b"\r\n"))) <= 998
    assert b"@@" not in sample.content


@by_name
def test_names_and_addresses_are_reserved_ones(sample: Sample) -> None:
    text = sample.content.decode("utf-8", "replace")
    for address in (sample.sender, *sample.recipients):
        assert RESERVED.fullmatch(address.rpartition("@")[2])
    for domain in re.findall(r"@([a-z0-9-]+(?:\.[a-z0-9-]+)+)", text):
        assert RESERVED.fullmatch(domain), domain
    for ip in re.findall(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])", text):
        assert ip.startswith(DOCUMENTATION), ip


@by_name
def test_dates_are_those_asked_for(sample: Sample) -> None:
    (written,) = re.findall(rb"\r\nDate: ([^\r]+)", sample.content)
    moment = email.utils.parsedate_to_datetime(written.decode())
    ahead = 9 * 3600 if sample.name == "06-spam" else 0
    assert moment == datetime.fromtimestamp(NOW + ahead, UTC)


@by_name
def test_what_is_expected_is_an_action(sample: Sample) -> None:
    assert sample.expected
    assert sample.expected <= {Action.ACCEPT, Action.TAG, Action.HOLD, Action.REJECT}


def test_the_present_is_the_default() -> None:
    assert load_samples()[0].content != SAMPLES[0].content


def test_the_big_one_is_too_big_for_a_stream_message() -> None:
    assert len(named("04-big-attachment").content) > 600_000
    assert load_samples(NOW)[3].content == SAMPLES[3].content


def test_the_kinds_are_there() -> None:
    assert b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE" in named("08-gtube").content
    assert b"List-Unsubscribe:" in named("02-newsletter").content
    assert b"=?utf-8?B?" in named("03-japanese").content
    assert not named("10-eight-bit-headers").content.partition(b"\r\n\r\n")[0].isascii()
    assert b"TVqQ" in named("12-executable").content  # MZ in base64
