"""Signs what is kept: DKIM for mail of ours, ARC for mail of others."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from mailweir_core.clock import Clock
from mailweir_core.record import Envelope
from mailweir_ingress.metrics import Metrics
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.policy.signing import (
    adapted,
    is_ours,
    seal_of,
    signatures,
    signing_keys,
)
from mailweir_ingress.ports import SigningKeys

INLINE_BYTES: Final = 131_072
"""Above this a message is hashed in a thread: it would hold all sessions up for more than a millisecond."""


class Signer:
    """Makes the fields that stand on top of a message that is kept."""

    def __init__(self, keys: SigningKeys, metrics: Metrics, clock: Clock) -> None:
        """Take the port."""
        self._keys = keys
        self._metrics = metrics
        self._clock = clock

    async def __call__(
        self,
        envelope: Envelope,
        content: bytes,
        headers: Sequence[tuple[str, str]],
        rules: Rules,
    ) -> bytes:
        """Return the signature fields for `content`, maybe none. `headers` are those of the verdict."""
        now = self._clock.now()
        if is_ours(envelope, rules):
            keys = signing_keys(envelope, content, rules, self._keys.of)
            if not keys:
                return b""
            self._metrics.signatures["dkim"].inc(len(keys))
            return await self._made(content, lambda: signatures(content, keys, now))
        domain = rules.policy.signing.seal_domain
        sealers = self._keys.of(domain) if domain is not None else ()
        if not sealers:
            return b""
        key = adapted(sealers[0], rules.policy)
        fields = await self._made(content, lambda: seal_of(content, headers, key, now))
        if fields:
            self._metrics.signatures["arc"].inc()
        return fields

    async def _made(self, content: bytes, make: Callable[[], bytes]) -> bytes:
        return make() if len(content) <= INLINE_BYTES else await asyncio.to_thread(make)
