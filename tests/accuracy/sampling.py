"""Which mails the slow filters see, and their answers kept between runs."""

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Final

from corpus import Mail
from peers import Peer

from mailweir_testkit import shared

SEED: Final = 5


def sample(mails: Sequence[Mail], most: int) -> list[Mail]:
    """Return at most `most` mails of each set and class, the same on each call; 0: all of them."""
    groups: dict[tuple[str, bool], list[Mail]] = {}
    for mail in mails:
        groups.setdefault((mail.set, mail.spam), []).append(mail)
    chance, found = random.Random(SEED), []
    for group in groups.values():
        found.extend(group if not most or len(group) <= most else chance.sample(group, most))
    return found


def scores_of(peer: Peer, taught: Sequence[Mail], asked: Sequence[Mail]) -> list[float]:
    """Return a peer's scores, from the cache where it was asked the same before."""
    question = [peer.name, [m.name for m in taught], [m.name for m in asked]]
    key = hashlib.sha256(json.dumps(question).encode()).hexdigest()
    folder = shared.cache_dir() / "accuracy"
    folder.mkdir(exist_ok=True)
    place = folder / f"{key}.json"
    if place.exists():
        found: list[float] = json.loads(place.read_text())
        return found
    scores = peer.scores(taught, asked)
    place.write_text(json.dumps(scores))
    return scores
