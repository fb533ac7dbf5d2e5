"""The file a model travels in: a magic line, a JSON header, raw arrays, and a SHA-256 over all of it.

No pickle, no code: what is read is numbers whose count, type and place the header declares and the reader
checks before it looks at them. A file of other hands can be refused, but cannot do anything.

    MWMODEL1\\n  header length (uint32, little endian)  header (UTF-8 JSON)  arrays…  SHA-256 of all before
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MAGIC: Final = b"MWMODEL1\n"
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one artefact; the shipped one is held to 4 MiB by a test."""
MAX_HEADER: Final = 1024 * 1024
MAX_ARRAYS: Final = 64
VERSION_DIGITS: Final = 12

_TYPES: Final[dict[str, np.dtype[Any]]] = {"u4": np.dtype("<u4"), "i1": np.dtype("i1")}
_LENGTH: Final = struct.Struct("<I")
_SUM: Final = hashlib.sha256().digest_size

Array = npt.NDArray[Any]


class InvalidArtefactError(ValueError):
    """Raised when a file is no artefact, is cut or altered, or declares what it does not hold."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """`meta` is plain JSON data; `arrays` cannot be written to; `version` is a short hash of the file."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, Array]
    version: str


def write(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Return the file; the same content gives the same bytes."""
    shapes = [[name, _type_of(array), len(array)] for name, array in arrays.items()]
    header = json.dumps({"meta": meta, "arrays": shapes}, sort_keys=True, separators=(",", ":"))
    encoded = header.encode()
    body = b"".join(array.astype(_TYPES[_type_of(array)]).tobytes() for array in arrays.values())
    whole = MAGIC + _LENGTH.pack(len(encoded)) + encoded + body
    return whole + hashlib.sha256(whole).digest()


def read(data: bytes) -> Artefact:
    """Return what a file holds; raises InvalidArtefactError with a sentence, and nothing else."""
    if len(data) > MAX_BYTES:
        raise InvalidArtefactError(f"over {MAX_BYTES} bytes")
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + _LENGTH.size + _SUM:
        raise InvalidArtefactError("not a model file")
    digest = hashlib.sha256(data[:-_SUM])
    if digest.digest() != data[-_SUM:]:
        raise InvalidArtefactError("checksum does not fit: cut or altered")
    start = len(MAGIC) + _LENGTH.size
    (size,) = _LENGTH.unpack_from(data, len(MAGIC))
    if size > min(MAX_HEADER, len(data) - start - _SUM):
        raise InvalidArtefactError("header is longer than the file")
    meta, shapes = _header(data[start : start + size])
    arrays = _arrays(data[start + size : -_SUM], shapes)
    return Artefact(meta, arrays, digest.hexdigest()[:VERSION_DIGITS])


def _type_of(array: Array) -> str:
    for name, kind in _TYPES.items():
        if array.dtype == kind and array.ndim == 1:
            return name
    raise TypeError(f"no array of {array.dtype} with {array.ndim} dimensions in an artefact")


def _header(text: bytes) -> tuple[dict[str, Any], list[Any]]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArtefactError("header is not JSON") from error
    if not isinstance(header, dict):
        raise InvalidArtefactError("header is not an object")
    meta, shapes = header.get("meta"), header.get("arrays")
    if not isinstance(meta, dict) or not isinstance(shapes, list) or len(shapes) > MAX_ARRAYS:
        raise InvalidArtefactError("header lacks `meta` or `arrays`")
    return meta, shapes


def _arrays(body: bytes, shapes: list[Any]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    at = 0
    for shape in shapes:
        name, kind, count = _shape(shape)
        end = at + count * kind.itemsize
        if name in arrays or end > len(body):
            raise InvalidArtefactError("an array is twice there, or longer than the file")
        # frombuffer on bytes cannot be written to: nobody alters a model that others judge by
        arrays[name] = np.frombuffer(body, kind, count, at)
        at = end
    if at != len(body):
        raise InvalidArtefactError("bytes that no array claims")
    return arrays


def _shape(shape: Any) -> tuple[str, np.dtype[Any], int]:
    if not isinstance(shape, list) or len(shape) != 3:
        raise InvalidArtefactError("an array's entry is not [name, type, count]")
    name, kind, count = shape
    if not isinstance(name, str) or not isinstance(kind, str) or kind not in _TYPES:
        raise InvalidArtefactError("an array's name or type is not known")
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MAX_BYTES:
        raise InvalidArtefactError("an array's count is no number of items")
    return name, _TYPES[kind], count
