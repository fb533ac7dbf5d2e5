"""The RCPT commands that a client has sent at once: looked at together, answered one by one."""

from collections.abc import Iterator

from mailweir_core.address import EnvelopeAddress
from mailweir_core.decision import Decision
from mailweir_ingress.policy.phases import recipient_limit
from mailweir_ingress.policy.relay import Standing, read_recipient, standing
from mailweir_ingress.smtp.commands import read_rcpt, split_command
from mailweir_ingress.smtp.conversation import Conversation, Transaction


def burst(talk: Conversation, transaction: Transaction, first: EnvelopeAddress) -> dict[str, str]:
    """Return a recipient and those that follow it in what has come already, by the form that is compared.

    Only recipients that we would take and of whom nothing is known yet, and of commands only as many as the
    transaction may still have recipients.
    """
    found = {first.key: str(first)}
    authenticated = talk.account is not None
    room = recipient_limit(transaction.rules, authenticated=authenticated)
    may_relay = talk.trusted or authenticated
    for path in _paths(talk.link.input.pending, room - len(transaction.recipients) - 1):
        recipient = read_recipient(path, transaction.rules, smtputf8=transaction.command.smtputf8)
        if not isinstance(recipient, EnvelopeAddress) or recipient.key in transaction.found:
            continue
        where = standing(recipient, transaction.rules, may_relay=may_relay)
        if where in (Standing.LOCAL, Standing.RELAY):
            found.setdefault(recipient.key, str(recipient))
    return found


def _paths(pending: bytearray, most: int) -> Iterator[str]:
    """Yield the paths of up to so many complete RCPT lines at the beginning of what has come."""
    start = 0
    for _ in range(most):
        end = pending.find(b"\r\n", start)
        if end < 0:
            return
        command = split_command(bytes(pending[start:end]))
        start = end + 2
        if command is None or command[0] != b"RCPT":
            return
        path = read_rcpt(command[1])
        if not isinstance(path, Decision):
            yield path
