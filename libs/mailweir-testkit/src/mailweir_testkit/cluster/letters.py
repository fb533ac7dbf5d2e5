"""Wanted mail of many senders, no two alike."""

import random
from typing import Final

from mailweir_testkit.builders import mail
from mailweir_testkit.load import Letter

_WORDS: Final = (
    "the", "a", "meeting", "minutes", "garden", "train", "river", "printer", "answer", "lunch", "Tuesday",
    "March", "budget", "draft", "notes", "please", "thanks", "attached", "agreed", "moved", "before",
    "after", "room", "floor", "key", "parcel", "ticket", "summer", "school", "colleagues", "review",
    "figures", "plan", "visit", "station", "bicycle", "kitchen", "window", "letter", "number",
)  # fmt: skip
_LINE_WORDS: Final = 11


def wanted(count: int, size: int = 4000, *, name: str = "mail", senders: int = 50) -> list[Letter]:
    """Return letters of about `size` bytes each; the same arguments give the same letters."""
    return [_letter(f"{name}-{number}", number % senders, size) for number in range(count)]


def _letter(name: str, sender: int, size: int) -> Letter:
    chance = random.Random(name)  # noqa: S311 - test data that comes out the same each time
    address = f"person{sender}@firm{sender}.example"
    body = ""
    while len(body) < size:
        body += " ".join(chance.choices(_WORDS, k=_LINE_WORDS)) + ".\r\n"
    subject = " ".join(chance.choices(_WORDS, k=4))
    content = mail(
        f"{subject} ({name})",
        body,
        sender=f"Person {sender} <{address}>",
        message_id=f"<{name}@firm{sender}.example>",
    )
    return Letter(name, address, ("bob@example.com",), content)
