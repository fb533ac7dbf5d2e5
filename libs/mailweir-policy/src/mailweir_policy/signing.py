"""Which mail we sign. The keys are no policy: they lie in a directory that the process is told of."""

from typing import Annotated

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Domain

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,76}$", examples=["Feedback-ID"])]


class SigningPolicy(PolicyModel):
    """DKIM for mail of our own users and networks, ARC for mail that we hand on."""

    enabled: bool = True
    """Sign mail of authenticated users and trusted networks whose From domain has a key."""
    domains: frozenset[Domain] = frozenset()
    """Domains that are signed for; empty for every domain that has a key."""
    more_headers: tuple[HeaderName, ...] = Field((), max_length=50)
    """Header fields that are signed besides those a reader or a mail program goes by."""
    expiry_days: int = Field(0, ge=0, le=365)
    """How long a signature holds (x=); 0 for no end."""
    seal_domain: Domain | None = None
    """The domain whose key seals mail of others that we hand on (ARC); unset seals nothing."""
