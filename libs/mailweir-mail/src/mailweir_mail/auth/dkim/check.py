"""Whether a signature holds, given its key: shared by DKIM and ARC."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from mailweir_core.dns import DnsAnswer, DnsStatus

from .canonical import BODY, CRLF, HEADER, Canon, Section, chosen
from .keys import Key, KeyCache, read_key
from .model import DkimLimits, DkimStatus, Unusable, broken
from .signature import Signature

SHA256_NAME: Final = b"sha256"


class Body:
    """A body's canonical forms and their digests, each made once for all signatures."""

    def __init__(self, body: bytes) -> None:
        """Take a body with CRLF line ends."""
        self._body = body
        self._forms: dict[Canon, bytes] = {}
        self._digests: dict[tuple[Canon, int | None], bytes] = {}

    def length(self, canon: Canon) -> int:
        """Return the octets of a canonical form."""
        return len(self._form(canon))

    def digest(self, canon: Canon, length: int | None = None) -> bytes:
        """Return the SHA-256 of a canonical form, or of its first octets."""
        found = self._digests.get((canon, length))
        if found is None:
            form = memoryview(self._form(canon))
            found = self._digests[canon, length] = sha256(form[:length]).digest()
        return found

    def _form(self, canon: Canon) -> bytes:
        if canon not in self._forms:
            self._forms[canon] = BODY[canon](self._body)
        return self._forms[canon]


def check_time(signature: Signature, now: float, limits: DkimLimits) -> None:
    """Raise Unusable for a signature that is out of date, or from the future (RFC 6376 §3.5)."""
    if signature.expires is not None and signature.expires + limits.clock_skew < now:
        raise Unusable(DkimStatus.FAIL, "the signature has expired")
    if signature.made is not None and signature.made - limits.clock_skew > now:
        raise Unusable(DkimStatus.FAIL, "the signature is from the future")


def keys_of(
    signature: Signature, answer: DnsAnswer, limits: DkimLimits, cache: KeyCache | None
) -> Sequence[Key]:
    """Return the keys that the signature may be checked with, at least one. Raises Unusable."""
    if answer.status is DnsStatus.TEMPERROR:
        raise Unusable(DkimStatus.TEMPERROR, f"no answer for the key: {answer.detail}"[:200])
    if not answer.records:
        raise broken("there is no key")
    read = read_key if cache is None else cache.get
    keys: list[Key] = []
    problems: list[Unusable] = []
    for record in answer.records[: limits.key_records]:
        found = read(record)
        if isinstance(found, Key):
            problem = _misfit(signature, found, limits)
            if problem is None:
                keys.append(found)
                continue
            found = problem
        problems.append(found)
    if not keys:
        raise Unusable(problems[0].status, problems[0].detail)
    return keys


def _misfit(signature: Signature, key: Key, limits: DkimLimits) -> Unusable | None:
    """Say why a key cannot be one for this signature."""
    if key.type != signature.key_type:
        return broken(f"the key is for {key.type}, the signature for {signature.key_type}")
    if key.hashes is not None and SHA256_NAME not in key.hashes:
        return broken("the key is not for sha256")
    if key.type == "rsa" and key.bits < limits.least_rsa_bits:
        return Unusable(DkimStatus.POLICY, f"an RSA key of {key.bits} bits is too weak")
    if key.type == "rsa" and key.bits > limits.most_rsa_bits:
        return Unusable(DkimStatus.POLICY, f"an RSA key of {key.bits} bits is too long")
    return None


def check_message(signature: Signature, found: Section, body: Body, keys: Sequence[Key]) -> Key:
    """Return the key that verifies body and header (RFC 6376 §3.7, §6.1.3). Raises Unusable."""
    if signature.length is not None and signature.length > body.length(signature.body):
        raise broken("l= is more than there is")
    if body.digest(signature.body, signature.length) != signature.body_hash:
        raise Unusable(DkimStatus.FAIL, "the body is not what was signed")
    header = chosen(found, signature.names, signature.header, without=signature.place)
    own = HEADER[signature.header](signature.unsigned)
    return check_digest(signature, sha256(header + own.removesuffix(CRLF)).digest(), keys)


def check_digest(signature: Signature, digest: bytes, keys: Sequence[Key]) -> Key:
    """Return the key whose signature of this SHA-256 it is. Raises Unusable."""
    for key in keys:
        if key.verifies(signature.signature, digest):
            return key
    raise Unusable(DkimStatus.FAIL, "the header is not what was signed")
