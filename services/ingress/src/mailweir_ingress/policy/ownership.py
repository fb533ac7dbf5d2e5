"""Which sender addresses an account may use."""

from collections.abc import Set

from mailweir_core.address import EnvelopeAddress


def owns(senders: Set[str], sender: EnvelopeAddress) -> bool:
    """Say whether `senders` (`a@b` or `@domain`, lower case) has this address.

    An address owned with `a@b` may also be used with an extension, `a+x@b`.
    """
    local, domain = sender.local.casefold(), sender.domain
    base = local.partition("+")[0]
    return (
        f"{local}@{domain}" in senders
        or f"@{domain}" in senders
        or (bool(base) and f"{base}@{domain}" in senders)
    )
