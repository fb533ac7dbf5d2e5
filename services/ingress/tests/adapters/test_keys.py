"""Signing keys: the directory and the ones in memory keep one contract."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mailweir_ingress.adapters import keys as adapter
from mailweir_ingress.adapters.keys import KEYS_OF_A_DOMAIN, KeyDirectory, MemoryKeys
from mailweir_ingress.metrics import declare
from mailweir_ingress.ports import SigningKeys
from mailweir_mail.auth.dkim import KeyType, SigningKey, make_private_key, to_pem
from mailweir_runtime.lifecycle import StartupError

PRIVATE = make_private_key(KeyType.ED25519)
PEM = to_pem(PRIVATE)
Make = Callable[[Sequence[SigningKey]], SigningKeys]


def write(directory: Path, domain: str, selector: str, pem: bytes = PEM) -> Path:
    """Write a key."""
    (directory / domain).mkdir(exist_ok=True)
    file = directory / domain / f"{selector}.pem"
    file.touch(0o600)
    file.write_bytes(pem)
    return file


class Directory(KeyDirectory):
    """A directory with its own gauges."""

    def __init__(self, directory: Path) -> None:
        self.gauges = declare(CollectorRegistry()).signing_keys
        super().__init__(directory, self.gauges)

    def count(self, state: str) -> float:
        (metric,) = self.gauges[state].collect()
        return metric.samples[0].value


@pytest.fixture(params=["memory", "directory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return how to make either adapter from keys."""

    def made(keys: Sequence[SigningKey]) -> SigningKeys:
        if request.param == "memory":
            return MemoryKeys(*keys)
        for key in keys:
            write(tmp_path, key.domain, key.selector)
        return Directory(tmp_path)

    return made


def test_keys_are_found_by_their_domain_in_any_case(make: Make) -> None:
    key = SigningKey("example.com", "a", PRIVATE)
    found = make([key, replace(key, selector="b"), replace(key, domain="other.example")])
    assert [k.selector for k in found.of("example.com")] == ["a", "b"]
    assert [k.domain for k in found.of("Other.EXAMPLE")] == ["other.example"]
    assert found.of("sub.example.com") == ()


def test_no_more_than_a_few_keys_sign(make: Make) -> None:
    many = [SigningKey("example.com", f"s{n}", PRIVATE) for n in range(KEYS_OF_A_DOMAIN + 3)]
    assert len(make(many).of("example.com")) == KEYS_OF_A_DOMAIN


def test_what_cannot_be_used_is_counted_and_the_rest_signs(tmp_path: Path) -> None:
    write(tmp_path, "example.com", "good")
    write(tmp_path, "example.com", "bad", b"no key")
    write(tmp_path, "example.com", "large", b"x" * 20_000)
    (tmp_path / "note.txt").write_text("not a key")
    found = Directory(tmp_path)
    assert [key.selector for key in found.of("example.com")] == ["good"]
    assert (found.count("usable"), found.count("unusable")) == (1, 2)


def test_a_directory_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="signing keys: cannot read"):
        Directory(tmp_path / "absent")


async def test_new_changed_and_removed_keys_are_taken_up(tmp_path: Path) -> None:
    first = write(tmp_path, "example.com", "a")
    found = Directory(tmp_path)
    write(tmp_path, "example.com", "b")
    await found.refresh()
    assert [key.selector for key in found.of("example.com")] == ["a", "b"]
    before = found.of("example.com")[0].key
    first.write_bytes(to_pem(make_private_key(KeyType.ED25519)))
    os.utime(first, (1, 1))
    await found.refresh()
    assert found.of("example.com")[0].key is not before
    first.unlink()
    await found.refresh()
    assert [key.selector for key in found.of("example.com")] == ["b"]


async def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, "example.com", "a")
    found = Directory(tmp_path)
    before = found.of("example.com")
    await found.refresh()
    assert found.of("example.com") is before


async def test_a_directory_that_vanishes_leaves_the_keys(tmp_path: Path) -> None:
    place = tmp_path / "keys"
    place.mkdir()
    write(place, "example.com", "a")
    found = Directory(place)
    place.rename(tmp_path / "elsewhere")
    await found.refresh()
    assert len(found.of("example.com")) == 1


async def test_following_refreshes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "RELOAD_SECONDS", 0.001)
    found = Directory(tmp_path)
    asked = []

    async def refresh() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise TimeoutError

    monkeypatch.setattr(found, "refresh", refresh)
    with pytest.raises(TimeoutError):
        await found.follow()
