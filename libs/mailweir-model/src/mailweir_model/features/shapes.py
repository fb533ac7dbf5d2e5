"""What a string looks like, apart from what it says: runs of like characters, with rough lengths."""

import re
from functools import lru_cache
from typing import Final

_RUNS: Final = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[^\x00-\x7f]+|.", re.DOTALL)
_BUCKETS: Final = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 987, 2584, 6765, 17711)
LONGEST: Final = 160


@lru_cache(maxsize=4096)
def shape(text: str, most: int = 12) -> str:
    """Return letters as `a` or `A`, digits as `0`, each run with a rough length; other characters stay."""
    pieces = []
    for run in _RUNS.findall(text[:LONGEST])[:most]:
        first = run[0]
        if first.isascii() and not first.isalnum():
            pieces.append(first)
            continue
        kind = "0" if first.isdigit() and first.isascii() else "u"
        if first.isascii() and first.isalpha():
            kind = "a" if first.islower() else "A"
        pieces.append(f"{kind}{bucket(len(run))}")
    return "".join(pieces)


def bucket(number: float) -> int:
    """Return the step of a rough scale (Fibonacci's numbers) that a count or size is on."""
    step = 0
    for limit in _BUCKETS:
        if number <= limit:
            break
        step += 1
    return step


def share_bucket(share: float) -> int:
    """Return the tenth that a share from 0 to 1 is in; 0 and 1 have steps of their own."""
    if share <= 0:
        return 0
    return 11 if share >= 1 else 1 + int(share * 10)
