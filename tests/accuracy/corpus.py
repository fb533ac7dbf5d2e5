"""The mail that accuracy is measured on, and its parts: sets, and which sets are of one origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mailweir_testkit import shared

NEVER_TAUGHT: Final = "phishing-pot"
"""May be measured with, but must not be in a prior that is shipped."""

PAIRS: Final = (
    ("sa-easy-ham", "sa-spam"),
    ("sa-easy-ham-2", "sa-spam-2"),
    ("sa-hard-ham", "sa-hard-ham-2"),
    ("lists-ham", "lists-spam"),
    ("foff-milter",),
    ("enron-ham",),
    ("untroubled-2015",),
    ("phishing-pot",),
    ("newsletters-de", "transactional-misc"),
)
"""What is left out together: ham and spam of one origin, and what is too little to stand alone."""

ORIGINS: Final = {
    **{name: "2002" for pair in PAIRS[:3] for name in pair},
    **{name: pair[0] for pair in PAIRS[3:] for name in pair},
}
"""Sets of one origin: they share how the mail was collected, and when."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message: where it is, what it is, and which others are nearly the same."""

    path: Path
    name: str
    spam: bool
    set: str
    cluster: str

    @property
    def raw(self) -> bytes:
        """Return its octets."""
        return self.path.read_bytes()


def load() -> Sequence[Mail]:
    """Return all messages in the order of the manifest; raises SystemExit where there is no corpus."""
    place = shared.corpus_dir()
    if place is None:
        raise SystemExit(shared.ABSENT)
    return [
        Mail(place / m.path, m.path, m.label == "spam", m.set, m.cluster)
        for m in shared.corpus_manifest()
    ]
