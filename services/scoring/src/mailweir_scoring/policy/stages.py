"""The stages in their order. A stage's name is what the policy and the metrics call it by."""

from typing import Final

from mailweir_scoring.policy.checks import (
    agent,
    attachments,
    dates,
    gtube,
    html,
    links,
    message_id,
    mime,
    origin,
    presence,
    recipients,
    subject,
    trace,
)
from mailweir_scoring.policy.pipeline import Stage, unless_decided

STAGES: Final = (
    Stage("gtube", (gtube.gtube,)),
    Stage(
        "headers",
        (
            presence.missing,
            presence.doubled,
            presence.eight_bit,
            presence.garbled,
            origin.mailbox,
            origin.shown_name,
            origin.encoded_name,
            origin.reply_to,
            recipients.shown,
            recipients.to_oneself,
            dates.date,
            subject.subject,
            subject.encoded,
            subject.recipient,
            message_id.message_id,
            trace.direct,
            trace.forged,
            trace.helo,
            agent.mailer,
            agent.claims,
        ),
    ),
    Stage("attachments", (attachments.attachments,)),
    Stage(
        "structure",
        (
            mime.defects,
            mime.text_parts,
            mime.blank,
            html.shape,
            html.active,
            html.hidden,
            links.links,
        ),
        spared=unless_decided,
    ),
)
