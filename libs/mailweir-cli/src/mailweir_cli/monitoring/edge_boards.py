"""The dashboards of what meets the network first: ingress, reputation, greylist, ratelimit."""

from typing import Final

from mailweir_cli.monitoring.board import Board, Row, ask
from mailweir_cli.monitoring.common import (
    board,
    dependencies,
    publishing,
    queue,
    rpc_errors,
    rpc_latency,
    rpc_traffic,
    saturation,
)
from mailweir_cli.monitoring.query import (
    highest,
    mix,
    quantile,
    quantiles,
    rate,
    share,
    total,
)

OWN_FAULT: Final = (
    "too-many-sessions|memory-full|shutting-down|scoring-unavailable|store-unavailable"
    "|check-unavailable|config-unavailable|internal-error|auth-unavailable"
)
"""Reasons of refusals that are no fault of the client's. Shedding strangers on purpose is none of them."""
CHECK_BUDGET: Final = 0.25
"""Seconds that the edge's services get for an answer."""


def ingress() -> Board:
    """Return the dashboard of the ingress."""
    rows = (*_in_and_out(), *_how_and_why())
    return board("ingress", "SMTP: who comes, what is taken, what is refused and why.", rows)


def _in_and_out() -> tuple[Row, ...]:
    i = "mailweir_ingress"
    own = f'reason=~"{OWN_FAULT}"'
    phase = f"{i}_phase_seconds"
    return (
        Row("Traffic", (
            ask("How many sessions are open?", total(f"{i}_sessions_open", "listener"), unit="none"),
            ask("How many sessions end, and how?", rate(f"{i}_sessions_total", "ending"), unit="ops"),
            ask("How many messages come, and what happens to them?",
                rate(f"{i}_messages_total", "action"), unit="ops", stacked=True),
            ask("How much mail is that?", rate(f"{i}_received_bytes_total", legend="read"), unit="Bps"),
            ask("Which replies do clients get?", rate(f"{i}_replies_total", "class"), unit="ops"),
            ask("Who logs in?", rate(f"{i}_logins_total", "outcome"), unit="ops"),
        )),
        Row("Errors", (
            ask("Which refusals are our own fault?", rate(f"{i}_refusals_total", "reason", own), unit="ops"),
            ask("How many messages are put off for our own fault?",
                rate(f"{i}_messages_total", "reason", f'action="defer",{own}'), unit="ops"),
            ask("What else breaks?",
                rate(f"{i}_sessions_total", match='ending="crashed"', legend="sessions crashed"),
                rate(f"{i}_tls_handshakes_failed_total", legend="TLS handshakes failed"),
                rate(f"{i}_events_dropped_total", legend="records dropped"),
                rate(f"{i}_passes_unstored_total", legend="passes not stored"), unit="ops"),
        )),
        Row("Latency against budget", (
            ask("How long does the verdict take?", quantiles(phase, 'phase="score"'), unit="s", budget=1.0),
            ask("How long until a message is safe on disk?", quantiles(phase, 'phase="store"'),
                unit="s", budget=0.25),
            ask("How long do the checks take, by phase?",
                quantile(0.95, phase, "phase", 'phase=~"connect|rcpt|message"'),
                unit="s", budget=CHECK_BUDGET),
        )),
    )  # fmt: skip


def _how_and_why() -> tuple[Row, ...]:
    i = "mailweir_ingress"
    return (
        saturation("ingress",
            ask("Are strangers turned away since there is too much to do?",
                highest(f"{i}_strangers_shed_ratio"), unit="percentunit"),
            ask("How late is what is due?", highest(f"{i}_lag_seconds"), unit="s", budget=0.25),
            ask("How much memory is kept for message data?",
                highest(f"{i}_memory_reserved_bytes"), unit="bytes"),
            ask("How many clients wait for the banner?", total(f"{i}_waiting_clients", legend="waiting"),
                unit="none"),
        ),
        Row("Verdict mix and reasons", (
            ask("What becomes of messages, in shares?", mix(f"{i}_messages_total", "action"),
                unit="percentunit", note="Of all messages whose data came."),
            ask("For which reasons are messages not simply taken?",
                rate(f"{i}_messages_total", "reason", 'reason!="clean"'), unit="ops"),
            ask("In which phase are clients refused?", rate(f"{i}_refusals_total", "phase"), unit="ops"),
            ask("For which reasons are clients refused?", rate(f"{i}_refusals_total", "reason"), unit="ops"),
            ask("Which offences are reported?", rate(f"{i}_offences_total", "kind"), unit="ops"),
            ask("How do waits for the banner end?", rate(f"{i}_waits_total", "outcome"), unit="ops"),
        )),
        dependencies("ingress",
            ask("Which checks fail or are skipped?",
                rate(f"{i}_checks_total", "check, status", 'status=~"temperror|skipped"'), unit="ops"),
            ask("Which checks are given a rest?", rate(f"{i}_check_rests_total", "check"), unit="ops"),
            ask("Do all clients have one address?", highest(f"{i}_clients_masked"), unit="bool_yes_no",
                note="Then a balancer hides them, and every check of clients is worth nothing."),
        ),
        publishing(),
    )  # fmt: skip


def reputation() -> Board:
    """Return the dashboard of reputation."""
    r = "mailweir_reputation"
    rows = (
        Row("Traffic", (
            rpc_traffic("reputation"),
            ask("How many checks end in what?", rate(f"{r}_checks_total", "phase, status"), unit="ops"),
            ask("Where do DNS answers come from?", rate(f"{r}_dns_questions_total", "source"), unit="ops"),
        )),
        Row("Errors", (
            rpc_errors("reputation"),
            ask("How many checks cannot be made?",
                rate(f"{r}_checks_total", "phase", 'status="temperror"'),
                rate(f"{r}_crashed_checks_total", legend="crashed"), unit="ops"),
            ask("What do name servers fail at?", rate(f"{r}_dns_server_failures_total", "cause"), unit="ops"),
        )),
        Row("Latency against budget", (
            rpc_latency("reputation", CHECK_BUDGET),
            ask("How long does a check take, by phase?", quantile(0.95, f"{r}_check_seconds", "phase"),
                unit="s", budget=CHECK_BUDGET),
            ask("How long do name servers take?", quantiles(f"{r}_dns_answer_seconds"), unit="s", budget=1.0,
                error_only="without a resolver nothing is asked"),
        )),
        saturation("reputation",
            ask("How many answers does the cache hold?", highest(f"{r}_dns_cached_answers"), unit="none"),
        ),
        Row("Verdict mix and reasons", (
            ask("What is advised, by phase?", rate(f"{r}_advice_total", "phase, advice"), unit="ops"),
            ask("What do DNS lists say?", rate(f"{r}_list_answers_total", "list, status"), unit="ops",
                error_only="series come with the lists of the policy"),
            ask("Which entries of our own lists decide?", rate(f"{r}_entry_hits_total", "kind"), unit="ops"),
        )),
        dependencies("reputation",
            ask("Which DNS lists are sick?", highest(f"{r}_list_state", "list, state",
                'state=~"muted|dead"'), unit="bool_yes_no",
                error_only="series come with the lists of the policy"),
            ask("How many zones are not asked for a while?", highest(f"{r}_dns_muted_zones"), unit="none"),
            ask("How often is there no history?", rate(f"{r}_store_failures_total", "why"), unit="ops"),
        ),
        queue(("historian",),
            ask("What is taken into the history?", rate(f"{r}_judged_events_total", "what"), unit="ops")),
    )  # fmt: skip
    return board("reputation", "What is known of clients and senders, and by whom.", rows)


def greylist() -> Board:
    """Return the dashboard of greylist."""
    g = "mailweir_greylist"
    rows = (
        Row("Traffic", (
            rpc_traffic("greylist"),
            ask("How many recipients are looked at?", rate(f"{g}_recipients_total", legend="recipients"),
                unit="ops"),
            ask("How many entries are there, by state?", highest(f"{g}_entries", "state"), unit="none"),
        )),
        Row("Errors", (
            rpc_errors("greylist"),
            ask("What does the store not do?", rate(f"{g}_store_failures_total", "cause"), unit="ops"),
            ask("What is not shown or not counted?",
                rate(f"{g}_unlisted_entries_total", legend="entries not listed"),
                rate(f"{g}_flush_failures_total", legend="counts not stored"), unit="ops"),
        )),
        Row("Latency against budget", (
            rpc_latency("greylist", CHECK_BUDGET),
            ask("How long does the store take?", quantiles(f"{g}_store_seconds"), unit="s", budget=0.1,
                error_only="the store is asked once a stranger is to wait"),
            ask("After how long do senders come back?", quantiles(f"{g}_wait_seconds"), unit="s",
                error_only="a wait ends minutes after the first sight"),
        )),
        saturation("greylist"),
        Row("Verdict mix and reasons", (
            ask("What is found of recipients?", rate(f"{g}_recipients_total", "finding"), unit="ops"),
            ask("How many recipients are put off?", rate(f"{g}_deferred_recipients_total", legend="put off"),
                unit="ops"),
            ask("Is nobody put off at present?", highest(f"{g}_log_only"), unit="bool_yes_no"),
        )),
        dependencies("greylist"),
        queue(("greylister",)),
    )  # fmt: skip
    return board("greylist", "Who is asked to come back, and who does.", rows)


def ratelimit() -> Board:
    """Return the dashboard of ratelimit."""
    r = "mailweir_ratelimit"
    rows = (
        Row("Traffic", (
            rpc_traffic("ratelimit"),
            ask("How many questions are answered, by phase?", rate(f"{r}_checks_total", "phase"), unit="ops"),
            ask("Which offences count?", rate(f"{r}_offences_total", "kind"), unit="ops"),
        )),
        Row("Errors", (
            rpc_errors("ratelimit"),
            ask("What is not counted?", rate(f"{r}_uncounted_total", "operation"), unit="ops"),
            ask("What do the counters' buckets fail at?",
                rate(f"{r}_cell_failures_total", "bucket", legend="{{bucket}} refused"),
                rate(f"{r}_cell_timeouts_total", "bucket", legend="{{bucket}} too late"),
                rate(f"{r}_cell_conflicts_total", "bucket", legend="{{bucket}} written by another"),
                unit="ops"),
        )),
        Row("Latency against budget", (rpc_latency("ratelimit", CHECK_BUDGET),)),
        saturation("ratelimit",
            ask("How many changes does a write hold?", share(
                rate(f"{r}_cell_changes_total", "bucket"), rate(f"{r}_cell_writes_total", "bucket"),
                "{{bucket}}"), unit="none"),
        ),
        Row("Verdict mix and reasons", (
            ask("Who is over a limit?", rate(f"{r}_checks_total", "phase, result", 'result!="passed"'),
                unit="ops"),
            ask("How many bans are in force?", highest(f"{r}_active_bans", "subject"), unit="none"),
            ask("How many bans are set, and for what?", rate(f"{r}_bans_total", "kind"), unit="ops"),
            ask("How many messages wait for their sender's limit?", highest(f"{r}_waiting_messages"),
                unit="none"),
            ask("What becomes of those that waited?", rate(f"{r}_waiting_ends_total", "how"), unit="ops"),
            ask("Who is told, and who is blocked?", rate(f"{r}_notices_total", "kind"),
                rate(f"{r}_accounts_blocked_total", legend="accounts blocked"), unit="ops"),
        )),
        dependencies("ratelimit",
            ask("What is left undone about intruders?", rate(f"{r}_intrusion_failures_total", "step"),
                unit="ops"),
        ),
        queue(("warden",)),
    )  # fmt: skip
    return board("ratelimit", "Limits, offences and bans.", rows)
