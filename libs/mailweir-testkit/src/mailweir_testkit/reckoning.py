"""The books of a run: what got 250 must be at the next hop or held, once, unchanged, and on record."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailweir_testkit.fidelity import fingerprint
from mailweir_testkit.load import Fate
from mailweir_testkit.sink import Caught


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What does not add up; everything empty is what is wanted. References throughout."""

    taken: int
    lost: tuple[str, ...]
    """Got 250, and is neither at the next hop nor held."""
    doubled: Mapping[str, tuple[float, ...]]
    """At the next hop more than once: when, in monotonic seconds."""
    held_and_delivered: tuple[str, ...]
    altered: tuple[str, ...]
    """Not byte-identical but for our headers."""
    unrecorded: tuple[str, ...]
    """Got 250 or 5xx, and has no record."""
    nameless: int
    """Got 250 without a reference in the reply."""

    @property
    def balanced(self) -> bool:
        """Say whether everything adds up."""
        return not (
            self.lost or self.doubled or self.held_and_delivered or self.altered or self.unrecorded
            or self.nameless
        )  # fmt: skip

    def __str__(self) -> str:
        """Return the counts, with the first of each kind."""
        parts = [f"{self.taken} taken"]
        for name in ("lost", "doubled", "held_and_delivered", "altered", "unrecorded"):
            found = list(getattr(self, name))
            parts.append(f"{len(found)} {name}" + (f" ({', '.join(found[:3])})" if found else ""))
        return ", ".join([*parts, f"{self.nameless} nameless"])


def outstanding(
    fates: Iterable[Fate], mails: Iterable[Caught], records: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """Return the references that got 250 and have not arrived anywhere yet."""
    there = {mail.ref for mail in mails} | _held(records)
    return {fate.ref for fate in fates if fate.taken} - there


def reckon(
    fates: Sequence[Fate],
    mails: Sequence[Caught],
    records: Mapping[str, Mapping[str, Any]],
    host: str = "mailweir.example.com",
) -> Reckoning:
    """Return what does not add up. `records`: by reference, as REST lists them."""
    taken = {fate.ref: fate for fate in fates if fate.taken}
    arrivals: dict[str, list[Caught]] = defaultdict(list)
    for mail in mails:
        arrivals[mail.ref].append(mail)
    held = _held(records)
    decided = [fate.ref for fate in fates if fate.ref and (fate.taken or fate.refused)]
    return Reckoning(
        taken=len(taken),
        lost=_sorted(ref for ref in taken if ref not in arrivals and ref not in held),
        doubled={
            ref: tuple(m.at for m in found) for ref, found in arrivals.items() if len(found) > 1
        },
        held_and_delivered=_sorted(held & arrivals.keys()),
        altered=_sorted(_altered(taken, arrivals, host.encode())),
        # a record without an action is a note of the delivery that came before the record itself
        unrecorded=_sorted(ref for ref in decided if not records.get(ref, {}).get("action")),
        nameless=Counter(fate.ref for fate in fates if fate.taken)[""],
    )


def _held(records: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {ref for ref, record in records.items() if record["state"] == "held"}


def _altered(
    taken: Mapping[str, Fate], arrivals: Mapping[str, Sequence[Caught]], host: bytes
) -> Iterable[str]:
    for ref, fate in taken.items():
        if ref in arrivals:
            sent = fingerprint(fate.letter.content, host)
            if any(mail.bare_sha256 != sent for mail in arrivals[ref]):
                yield ref


def _sorted(refs: Iterable[str] | Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(refs))
