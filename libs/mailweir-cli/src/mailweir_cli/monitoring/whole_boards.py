"""The dashboards of what no service is alone: the bus, and a message's way through all of them."""

from typing import Final

from mailweir_cli.monitoring.board import Board, Row, ask
from mailweir_cli.monitoring.edge_boards import OWN_FAULT
from mailweir_cli.monitoring.query import (
    SERVICES,
    Query,
    highest,
    lowest,
    quantile,
    quantiles,
    rate,
    share,
    total,
)


def nats() -> Board:
    """Return the dashboard of NATS: what the broker holds, and how the services get on with it."""
    b = "mailweir_bus"
    used, limit = (
        highest(f"{b}_store_{what}_bytes", "", legend=what) for what in ("used", "limit")
    )
    rows = (
        Row("Traffic", (
            ask("How many messages are published, by stream?", rate(f"{b}_publish_seconds_count", "stream"),
                unit="ops"),
            ask("What becomes of messages, by consumer?",
                rate(f"{b}_messages_handled_total", "consumer, result"), unit="ops"),
            ask("How many messages does each stream hold?", highest(f"{b}_stream_messages", "stream")),
        )),
        Row("Errors", (
            ask("What is not confirmed?", rate(f"{b}_publish_failures_total", "kind"), unit="ops"),
            ask("Which fetches are not answered?", rate(f"{b}_fetch_failures_total", "consumer"), unit="ops"),
            ask("What is parked?", rate(f"{b}_parked_total", "consumer"), unit="ops"),
            ask("Are bodies broken?", rate(f"{b}_body_digest_failures_total", legend="broken"), unit="ops"),
        )),
        Row("Latency against budget", (
            ask("How long does the broker take to confirm?", quantiles(f"{b}_publish_seconds"), unit="s",
                budget=0.25),
            ask("How long, by stream?", quantile(0.95, f"{b}_publish_seconds", "stream"), unit="s",
                budget=0.25),
        )),
        Row("Saturation", (
            ask("How full is the store?", used, limit, unit="bytes"),
            ask("How full is it, in shares?", share(used, limit, "full"), unit="percentunit", budget=0.8),
            ask("How much does each stream hold?", highest(f"{b}_stream_bytes", "stream"), unit="bytes"),
        )),
        Row("Degraded dependencies", (
            ask("Does the bus answer, by pod?", lowest(f"{b}_open_connections"), unit="bool_yes_no"),
            ask("How often do connections break and come back?",
                rate(f"{b}_disconnects_total", legend="broken"),
                rate(f"{b}_reconnects_total", legend="made again"),
                rate(f"{b}_connection_errors_total", legend="errors"), unit="ops"),
        )),
        Row("Queue lag", (
            ask("How many messages wait, by consumer?", highest(f"{b}_lag_messages", "consumer")),
            ask("Which messages are handed out again?", rate(f"{b}_redelivered_total", "consumer"),
                unit="ops"),
        )),
        Row("Versions run", (
            ask("Does every pod use the same policy version?",
                highest("mailweir_config_version_number"), unit="none"),
        )),
    )  # fmt: skip
    about = "The bus: streams, consumers, the store, and how the services get on with it."
    return Board("nats", "Mailweir / NATS", about, f"{b}_open_connections", rows)


IN: Final = "mailweir_ingress"
PHASE: Final = f"{IN}_phase_seconds"
S: Final = "mailweir_scoring"
D: Final = "mailweir_delivery"
Q: Final = "mailweir_quarantine"
B: Final = "mailweir_bus"


def flow() -> Board:
    """Return the overview: a message's way, with rates, latencies and drop-outs at each step."""
    about = "A message's way, from the first packet to the next hop: rates, latencies, drop-outs."
    rows = (*_way(), *_steps(), *_state())
    return Board("flow", "Mailweir / flow", about, f"{B}_open_connections", rows)


def _delivered() -> tuple[Query, Query]:
    """Return what is taken in, and what gets to its next hop."""
    taken = rate(f"{IN}_messages_total", match='action=~"accept|tag|hold"', legend="taken")
    delivered = rate(
        f"{D}_recipients_total", match='result="delivered"', legend="recipients delivered"
    )
    return taken, delivered


def _way() -> tuple[Row, ...]:
    taken, delivered = _delivered()
    return (
        Row("The whole way", (
            ask("How far does it get?",
                rate(f"{IN}_sessions_total", legend="sessions"),
                rate(f"{IN}_messages_total", legend="messages whose data came"),
                rate(f"{S}_messages_total", legend="judged"), taken, delivered,
                rate(f"{Q}_messages_held_total", legend="held"),
                rate(f"{Q}_records_written_total", legend="recorded"), unit="ops", kind="bargauge"),
            ask("Where does it drop out?",
                rate(f"{IN}_refusals_total", "phase", legend="refused at {{phase}}"),
                rate(f"{IN}_messages_total", "action", 'action=~"defer|reject|discard"',
                     legend="message: {{action}}"),
                rate(f"{D}_recipients_total", "result", 'result!="delivered"',
                     legend="recipient: {{result}}"), unit="ops", kind="bargauge"),
            ask("How long does each step take? (95 %)",
                quantile(0.95, PHASE, "phase"), quantile(0.95, f"{D}_latency_seconds"), unit="s",
                kind="bargauge", note="The last is from acceptance to delivery."),
        )),
        Row("Errors", (
            ask("How many refusals are our own fault?",
                rate(f"{IN}_refusals_total", "reason", f'reason=~"{OWN_FAULT}"'), unit="ops"),
            ask("Which part of sessions do we fail?", share(
                rate(f"{IN}_refusals_total", match=f'reason=~"{OWN_FAULT}"'),
                rate(f"{IN}_sessions_total"), "failed by us"), unit="percentunit", budget=0.001),
            ask("What is parked?", rate(f"{B}_parked_total", "consumer"), unit="ops"),
        )),
    )  # fmt: skip


def _steps() -> tuple[Row, ...]:
    taken, delivered = _delivered()
    return (
        Row("1. Connect and dialogue", (
            ask("How do sessions end?", rate(f"{IN}_sessions_total", "ending"), unit="ops", stacked=True),
            ask("Who is refused, in which phase?", rate(f"{IN}_refusals_total", "phase"), unit="ops",
                stacked=True),
            ask("How do the checks end?", rate(f"{IN}_checks_total", "check, status"), unit="ops"),
        )),
        Row("2. Verdict", (
            ask("What do the verdicts say?", rate(f"{S}_messages_total", "action"), unit="ops", stacked=True),
            ask("How long does a verdict take?", quantiles(f"{S}_message_seconds"), unit="s", budget=1.0),
            ask("Which stages give nothing?", rate(f"{S}_stage_failures_total", "stage"), unit="ops"),
        )),
        Row("3. Decision and keeping", (
            ask("What happens to messages, and why?", rate(f"{IN}_messages_total", "action, reason"),
                unit="ops"),
            ask("How long until a message is safe on disk?", quantiles(PHASE, 'phase="store"'), unit="s",
                budget=0.25),
            ask("Is everything published?", rate(f"{B}_publish_failures_total", "kind"), unit="ops"),
        )),
        Row("4. Delivery", (
            ask("What becomes of recipients?", rate(f"{D}_recipients_total", "result"), unit="ops",
                stacked=True),
            ask("How long from acceptance to delivery?", quantiles(f"{D}_latency_seconds"), unit="s",
                budget=30.0),
            ask("How much goes in, and how much comes out?", taken, delivered, unit="ops"),
        )),
        Row("5. Quarantine and records", (
            ask("How many messages are held?", highest(f"{Q}_held_messages", "", legend="held"), unit="none"),
            ask("How long from a decision to its record?", quantiles(f"{Q}_record_lag_seconds"), unit="s",
                budget=10.0),
            ask("How many records are written?", rate(f"{Q}_records_written_total", legend="records"),
                unit="ops"),
        )),
    )  # fmt: skip


def _state() -> tuple[Row, ...]:
    return (
        Row("Saturation", (
            ask("Are strangers turned away since there is too much to do?",
                highest(f"{IN}_strangers_shed_ratio"), unit="percentunit"),
            ask("How much CPU does each pod use?", rate("process_cpu_seconds_total", "pod"), unit="none"),
            ask("How full is the bus's store?", share(
                highest(f"{B}_store_used_bytes", ""), highest(f"{B}_store_limit_bytes", ""), "full"),
                unit="percentunit", budget=0.8),
        )),
        Row("Degraded dependencies", (
            ask("How many pods are not well?", *_unwell(), unit="none"),
            ask("Which checks fail or are skipped?",
                rate(f"{IN}_checks_total", "check, status", 'status=~"temperror|skipped"'), unit="ops"),
            ask("Does the bus answer?", lowest(f"{B}_open_connections", "", legend="answers"),
                unit="bool_yes_no"),
        )),
        Row("Queue lag", (
            ask("How many messages wait, by consumer?", highest(f"{B}_lag_messages", "consumer")),
        )),
        Row("Versions run", (
            ask("Which version of each service runs?", *_versions(), unit="none"),
            ask("Does every pod use the same policy version?",
                highest("mailweir_config_version_number", ""), lowest("mailweir_config_version_number", ""),
                unit="none"),
        )),
    )  # fmt: skip


def _unwell() -> list[Query]:
    return [
        total(f"mailweir_{name}_state", match=f'mailweir_{name}_state!="ready"', legend=name)
        for name in SERVICES
    ]


def _versions() -> list[Query]:
    return [
        total(f"mailweir_{name}_build_info", "version", legend=f"{name} {{{{version}}}}")
        for name in SERVICES
    ]
