"""What comes first once a client was let in: TLS where it is implicit, and the banner."""

from mailweir_core.record import Listener
from mailweir_ingress.policy.phases import WELCOME
from mailweir_ingress.smtp.conversation import Conversation
from mailweir_ingress.smtp.verbs_basic import begin_tls


async def open_session(talk: Conversation) -> None:
    """Greet the client; a banner that was begun at the gate is ended here. Raises SessionOver."""
    if talk.door.listener is Listener.SUBMISSIONS:
        await begin_tls(talk, talk.link.input.take())
    talk.say(f"220 {talk.rules.hostname} {WELCOME.reply.text} [{talk.id}]".encode())
