"""Builds the prior that is shipped, and says how good it is on what it was not taught.

    python tests/accuracy/prior.py [--check]

The same corpus gives the same bytes. `--check` writes nothing and fails where the file would differ.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import corpus
import numpy as np
from rich.progress import track
from training import Lesson, left_out, lesson_of, model_of, spreads_of

from mailweir_model.model import dump

PLACE: Final = Path(__file__).parents[2] / "libs/mailweir-model/src/mailweir_model/data/prior.mwm"


def main(arguments: Sequence[str]) -> int:
    """Build, compare or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    options = parser.parse_args(arguments)
    lesson = lesson_of(corpus.load(), lambda mails: list(track(mails, "features")))
    data = build(lesson)
    known = PLACE.read_bytes() if PLACE.exists() else b""
    if options.check:
        print("the same" if data == known else "differs")
        return int(data != known)
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_bytes(data)
    print(f"{PLACE.name}: {len(data):,} bytes")
    return 0


def build(lesson: Lesson) -> bytes:
    """Return the artefact taught by every set but the one that must not ship."""
    logits = left_out(lesson, lambda pairs: list(track(pairs, "sets left out")))
    taught = lesson.sets != corpus.NEVER_TAUGHT
    model = model_of(lesson, taught, logits, taught, spreads_of(logits, taught))
    counts = {
        name: [int((~lesson.spam & here).sum()), int((lesson.spam & here).sum())]
        for name in sorted(set(lesson.sets[taught].tolist()))
        if (here := np.asarray(lesson.sets == name)).any()
    }
    return dump(model, {"sets": counts, "languages": ["en"]})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
