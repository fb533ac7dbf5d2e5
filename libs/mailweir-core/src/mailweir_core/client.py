"""What the edge has found out of a client; each check of a session adds to it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CORRESPONDENT: Final = "CORRESPONDENT"
"""The signal that says of one recipient that he has written to the sender: for him no mail is put off."""


class ClientClass(StrEnum):
    """What a client's past says; limits are scaled by it."""

    GOOD = "good"
    NONE = "none"  # nothing, or not enough
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What is known of a client.

    `host` is its name if the name leads back to its address, `asn` the number of its autonomous system (0
    where it is not known). `spf` is SPF's result for the present sender and `spf_domain` the domain that
    authorised the client, both empty where there is none. `suspicion` is the sum of what was found against
    it: greylisting's measure. `known` spares the wait and greylisting, `allowed` bans and limits too.
    """

    client_class: ClientClass = ClientClass.NONE
    host: str = ""
    asn: int = 0
    spf: str = ""
    spf_domain: str = ""
    suspicion: float = 0.0
    known: bool = False
    allowed: bool = False
