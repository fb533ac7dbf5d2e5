"""What a parked message carries beside its payload."""

from dataclasses import dataclass
from typing import Final

from mailweir_runtime.bus.topology import ConsumerSpec, parked_subject

MAX_REASON_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class ParkedNote:
    """Where a message is parked, and the headers that say where it came from and why."""

    subject: str
    headers: tuple[tuple[str, str], ...]


def parked_note(spec: ConsumerSpec, subject: str, attempt: int, reason: str) -> ParkedNote:
    """Return the note for a message of `subject` that a consumer gives up at `attempt`."""
    shard = subject.split(".")[1]
    text = " ".join(reason.split())[:MAX_REASON_CHARACTERS]
    return ParkedNote(
        parked_subject(shard, spec.name),
        (
            ("Mailweir-Parked-Subject", subject),
            ("Mailweir-Parked-Consumer", spec.name),
            ("Mailweir-Parked-Attempts", str(attempt)),
            ("Mailweir-Parked-Reason", text.encode("ascii", "backslashreplace").decode()),
        ),
    )
