"""The stages in their order. A stage's name is what the policy and the metrics call it by."""

from typing import Final

from mailweir_scoring.policy import antivirus, authentication, lists
from mailweir_scoring.policy.campaign import stage as campaign
from mailweir_scoring.policy.checks import (
    agent,
    aims,
    attachments,
    clients,
    contents,
    dates,
    gtube,
    hosts,
    html,
    language,
    links,
    message_id,
    mime,
    obfuscation,
    origin,
    phrases,
    presence,
    recipients,
    schemes,
    senders,
    spoof,
    statistics,
    subject,
    threads,
    trace,
)
from mailweir_scoring.policy.composites import COMPOSITES
from mailweir_scoring.policy.edge import STAGE as EDGE
from mailweir_scoring.policy.pipeline import AnyStage, AskingStage, Stage
from mailweir_scoring.policy.spamassassin import STAGE as SPAMASSASSIN

STAGES: Final[tuple[AnyStage, ...]] = (
    Stage("gtube", (gtube.gtube,)),
    AskingStage("auth", authentication.SYMBOLS, authentication.authenticate),
    EDGE,
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
            senders.address,
            senders.vouched,
            senders.habits,
            clients.client,
            clients.marks,
        ),
    ),
    Stage(
        "attachments",
        (
            attachments.attachments,
            contents.archives,
            contents.documents,
            contents.claims,
            contents.poses,
        ),
    ),
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
            hosts.kinds,
            hosts.names,
            hosts.ways,
            aims.aims,
            aims.paths,
            aims.images,
            spoof.sender,
            spoof.links,
            spoof.body,
            senders.replies,
            threads.thread,
            threads.traffic,
        ),
        costly=True,
    ),
    Stage(
        "words",
        (
            obfuscation.shown_fields,
            obfuscation.subject_tail,
            obfuscation.text,
            obfuscation.markup,
            phrases.wares,
            phrases.advance_fee,
            phrases.extortion,
            phrases.theft,
            schemes.schemes,
            schemes.beside,
            language.unwanted,
        ),
        costly=True,
    ),
    SPAMASSASSIN,
    AskingStage("lists", frozenset(), lists.look_up, costly=True),
    Stage("statistics", (statistics.statistics,), costly=True),
    AskingStage("antivirus", antivirus.SYMBOLS, antivirus.antivirus, costly=True),
    AskingStage("campaign", campaign.SYMBOLS, campaign.campaign, costly=True),
    COMPOSITES,
)


def stages_with(
    *, scanner: bool, resolver: bool = False, spamassassin: bool = False
) -> tuple[AnyStage, ...]:
    """Return the stages that run: those that need a virus scanner, DNS or a rule book where there is one."""
    absent = {"antivirus"} if not scanner else set()
    absent |= set() if resolver else {"auth", "lists"}
    absent |= set() if spamassassin else {SPAMASSASSIN.name}
    return tuple(stage for stage in STAGES if stage.name not in absent)
