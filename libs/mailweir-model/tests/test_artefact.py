import hashlib
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mailweir_model import artefact
from mailweir_model.artefact import MAGIC, InvalidArtefactError

ARRAYS = {"a": np.arange(5, dtype=np.uint32), "b": np.array([-1, 0, 1], np.int8)}


def forged(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    whole = MAGIC + struct.pack("<I", len(text)) + text + body
    return whole + hashlib.sha256(whole).digest()


def test_what_is_written_is_read() -> None:
    found = artefact.read(artefact.write({"k": 1}, ARRAYS))
    assert found.meta == {"k": 1}
    assert {name: array.tolist() for name, array in found.arrays.items()} == {
        "a": [0, 1, 2, 3, 4],
        "b": [-1, 0, 1],
    }


def test_the_same_content_has_the_same_bytes_and_version() -> None:
    one, two = (artefact.write({"k": 1, "j": 2}, ARRAYS) for _ in range(2))
    assert one == two
    assert artefact.read(one).version == artefact.read(two).version
    assert artefact.read(artefact.write({"k": 2}, ARRAYS)).version != artefact.read(one).version


def test_arrays_cannot_be_written_to() -> None:
    found = artefact.read(artefact.write({}, ARRAYS))
    with pytest.raises(ValueError, match="read-only"):
        found.arrays["a"][0] = 1


def test_other_types_are_not_written() -> None:
    with pytest.raises(TypeError, match="float64"):
        artefact.write({}, {"a": np.zeros(3)})


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_every_altered_byte_is_noticed(place: int, change: int) -> None:
    data = bytearray(artefact.write({"k": 1}, ARRAYS))
    data[place % len(data)] ^= change
    with pytest.raises(InvalidArtefactError):
        artefact.read(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    for candidate in (data, MAGIC + data, forged(data)):
        with pytest.raises(InvalidArtefactError):
            artefact.read(candidate)


@pytest.mark.parametrize(
    "header",
    [
        [],
        {},
        {"meta": {}, "arrays": {}},
        {"meta": [], "arrays": []},
        {"meta": {}, "arrays": [["a", "u4"]]},
        {"meta": {}, "arrays": [["a", "O", 1]]},
        {"meta": {}, "arrays": [["a", "u4", -1]]},
        {"meta": {}, "arrays": [["a", "u4", True]]},
        {"meta": {}, "arrays": [["a", "u4", 10**30]]},
        {"meta": {}, "arrays": [["a", "u4", 1.5]]},
        {"meta": {}, "arrays": [[1, "u4", 1]]},
        {"meta": {}, "arrays": [["a", [], 1]]},
        {"meta": {}, "arrays": [["a", "u4", 3]]},
        {"meta": {}, "arrays": [["a", "u4", 1], ["a", "u4", 1]]},
        {"meta": {}, "arrays": [["a", "u4", 1]]},
        {"meta": {}, "arrays": [["a", "u4", 0]] * 65},
    ],
)
def test_a_header_that_lies_is_refused(header: Any) -> None:
    with pytest.raises(InvalidArtefactError):
        artefact.read(forged(header, b"\0" * 8))


def test_deep_json_is_refused() -> None:
    with pytest.raises(InvalidArtefactError):
        artefact.read(forged(b"[" * 100_000))


def test_a_header_longer_than_the_file_is_refused() -> None:
    whole = MAGIC + struct.pack("<I", 2**31) + b"{}"
    with pytest.raises(InvalidArtefactError, match="longer"):
        artefact.read(whole + hashlib.sha256(whole).digest())
