"""The cap on DNS questions about one message."""

from typing import Final

from mailweir_reputation.policy.items import Phase

RESERVED: Final = {Phase.CONNECT: 11, Phase.MAIL: 20, Phase.RCPT: 0}
"""Questions of a phase that lists leave to names: PTR and ten names; SPF, the greeting, the domain."""


class Purse:
    """What is left of the questions of one phase."""

    def __init__(self, most: int) -> None:
        """Begin with so many."""
        self.left = most

    def take(self, wanted: int) -> int:
        """Take up to `wanted`; return how many there were."""
        taken = min(wanted, self.left)
        self.left -= taken
        return taken


def share_of(phase: Phase, most: int) -> int:
    """Return how many of a message's `most` questions a phase has: one half before the banner, one at MAIL.

    Phases know nothing of each other, and a message has one of each.
    """
    return most // 2 if phase is Phase.CONNECT else most - most // 2


def lists_share(phase: Phase, most: int) -> int:
    """Return how many questions of a phase lists may have."""
    return max(0, share_of(phase, most) - min(RESERVED[phase], share_of(phase, most) // 2))
