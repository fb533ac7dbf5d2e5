"""What a list of a million entries costs the reputation service: memory, building, look-ups, one change.

    python tests/bench/entries.py [--entries 1000000]

Nine in ten entries are IPv4 addresses, the others networks, host names and senders, as in imported lists.
"""

import argparse
import random
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

from mailweir_core.entries import ListEntry, make_entry
from mailweir_reputation.policy.index import EntryIndex

LOOKUPS = 100_000
PARTS = 10


def entries(part: int, number: int, chance: random.Random) -> Iterator[ListEntry]:
    for at in range(number):
        address = chance.getrandbits(32)
        kind = at % 50
        if kind == 0:
            item = f"{IPv4Address(address >> 8 << 8)}/24"
        elif kind == 1:
            item = f"{IPv4Address(address >> 16 << 16)}/16"
        elif kind == 2:
            item = f"host:*.h{at}.example.net"
        elif kind < 5:
            item = f"user{at}@d{at % 1000}.example"
        else:
            item = str(IPv4Address(address))
        yield make_entry("block", item, id=f"{part:04d}-{at:019d}")


def resident_kib() -> int:
    fields = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in fields if line.startswith("VmRSS:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    number = parser.parse_args().entries
    chance = random.Random(7)
    before, building, index = resident_kib(), 0.0, EntryIndex()
    for part in range(PARTS):
        changes = {entry.id: entry for entry in entries(part, number // PARTS, chance)}
        begun = time.process_time()
        index = index.changed(changes)
        building += time.process_time() - begun
    changes = {}
    per_entry = (resident_kib() - before) * 1024 / len(index)
    print(
        f"{len(index)} entries: {per_entry:.0f} bytes and {building / len(index) * 1e6:.1f} µs each"
    )
    addresses = [IPv4Address(chance.getrandbits(32)) for _ in range(LOOKUPS)]
    begun = time.process_time()
    hits = sum(1 for address in addresses for _ in index.of_address(address))
    spent = time.process_time() - begun
    print(f"look-up of an address: {spent / LOOKUPS * 1e6:.2f} µs ({hits} hits in {LOOKUPS})")
    begun = time.process_time()
    for at in range(LOOKUPS):
        for _ in index.of_sender(f"user{at}@d{at % 1000}.example"):
            pass
    print(f"look-up of a sender: {(time.process_time() - begun) / LOOKUPS * 1e6:.2f} µs")
    begun = time.process_time()
    index.changed({"one": make_entry("block", "192.0.2.1", id="one")})
    print(f"one change: {(time.process_time() - begun) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
