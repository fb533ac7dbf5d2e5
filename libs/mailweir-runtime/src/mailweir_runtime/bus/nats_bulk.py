"""Many messages in one request: JetStream's batched direct get, by subjects or from a sequence on.

In a cluster any replica answers, so what another process stored an instant ago may not show yet. Who must
know writes over a revision: a stale one is refused.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from mailweir_runtime.bus import nats_api
from mailweir_runtime.bus.nats_link import Link
from mailweir_runtime.bus.nats_wire import Incoming, Wire, WireLost
from mailweir_runtime.bus.ports import BusUnavailable

MOST_SUBJECTS: Final = 512
"""In one request; the broker takes 1024."""
_WHERE: Final = re.compile(rb"\r\nNats-Subject: ([^\r]*)\r\nNats-Sequence: ([0-9]+)\r\n")
_END: Final = 204
_NONE: Final = 404


class Found(NamedTuple):
    """A subject's newest message; the header block as it came."""

    sequence: int
    header: bytes
    data: bytes


async def newest_of(
    link: Link, stream: str, subjects: Sequence[str], *, seconds: float
) -> dict[str, Found]:
    """Return the newest message of each subject that has one; raises BusUnavailable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    found: dict[str, Found] = {}
    missing = list(dict.fromkeys(subjects))
    while missing:
        part = missing[:MOST_SUBJECTS]
        wire = await link.wire(deadline - loop.time())
        try:
            left = await _ask(wire, stream, part, found, deadline)
        except TimeoutError as error:
            raise BusUnavailable(f"{stream} not read within {seconds:g} s") from error
        except WireLost:
            continue  # the next wire is asked for what has not come
        rest = missing[MOST_SUBJECTS:]
        missing = ([s for s in part if s not in found] if left else []) + rest
    return found


async def stored_after(
    link: Link, stream: str, sequence: int, most: int, *, seconds: float
) -> dict[str, Found]:
    """Return up to `most` messages behind a sequence, in order, by subject; raises BusUnavailable.

    Where a subject comes twice, the newer message is what is returned.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    request = {"seq": sequence + 1, "next_by_subj": ">", "batch": most}
    while True:
        found: dict[str, Found] = {}
        wire = await link.wire(deadline - loop.time())
        try:
            await _fetch(wire, stream, request, found, deadline)
        except TimeoutError as error:
            raise BusUnavailable(f"{stream} not read within {seconds:g} s") from error
        except WireLost:
            continue
        return found


async def _ask(
    wire: Wire, stream: str, subjects: list[str], found: dict[str, Found], deadline: float
) -> int:
    """Add the newest message of each subject to `found`; returns how many did not fit.

    Raises TimeoutError, WireLost, BusUnavailable.
    """
    request = {"multi_last": subjects, "batch": len(subjects)}
    return await _fetch(wire, stream, request, found, deadline)


async def _fetch(
    wire: Wire, stream: str, wanted: object, found: dict[str, Found], deadline: float
) -> int:
    """Add what comes to `found`; returns how many did not fit. Raises as `_ask`."""
    loop = asyncio.get_running_loop()
    box = wire.inbox()
    try:
        request = nats_api.dumps(wanted)
        wire.send(f"{nats_api.PREFIX}DIRECT.GET.{stream}", request, reply=box.subject)
        while True:
            message = await box.get(deadline - loop.time())
            if message is None:
                raise TimeoutError
            if message.status:
                return _end(message)
            where = _WHERE.search(message.header)
            if where is None:
                raise BusUnavailable("the broker does not say which key it read")
            found[where[1].decode()] = Found(int(where[2]), message.header, message.data)
    finally:
        box.close()


def _end(message: Incoming) -> int:
    """Return how many are left, by the message that ends an answer; raises BusUnavailable."""
    if message.status == _NONE:
        return 0
    if message.status != _END:
        line = message.header.split(b"\r\n", 1)[0].decode("ascii", "replace")
        raise BusUnavailable(f"the broker does not read many keys at once: {line}")
    return int(nats_api.header_fields(message.header).get("nats-num-pending", "0"))
