"""The dashboards of what stands behind the edge: scoring, delivery, quarantine, gateway."""

from mailweir_cli.monitoring.board import Board, Panel, Row, ask
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
    Query,
    highest,
    lowest,
    quantile,
    quantiles,
    rate,
    total,
)


def scoring() -> Board:
    """Return the dashboard of scoring."""
    s = "mailweir_scoring"
    rows = (
        Row("Traffic", (
            rpc_traffic("scoring"),
            ask("How many messages are judged?", rate(f"{s}_messages_total", legend="messages"), unit="ops"),
            ask("How big are they?", quantiles(f"{s}_message_bytes"), unit="bytes"),
        )),
        Row("Errors", (
            rpc_errors("scoring"),
            ask("Which stages give nothing?", rate(f"{s}_stage_failures_total", "stage", legend="{{stage}}"),
                unit="ops"),
            ask("Why do stages give nothing?", rate(f"{s}_stage_failures_total", "cause"), unit="ops"),
            ask("Which rules of SpamAssassin's make trouble?",
                rate(f"{s}_spamassassin_rule_troubles_total", "trouble"), unit="ops"),
            ask("What do name servers fail at?", rate(f"{s}_dns_server_failures_total", "cause"), unit="ops"),
        )),
        Row("Latency against budget", (
            ask("How long does a verdict take?", quantiles(f"{s}_message_seconds"), unit="s", budget=1.0),
            ask("How long does each stage take?", quantile(0.95, f"{s}_stage_seconds", "stage"), unit="s",
                budget=1.0),
            rpc_latency("scoring", 1.0),
        )),
        saturation("scoring",
            ask("How many calls are being worked on?", highest(f"{s}_rpc_running"), unit="none"),
            ask("How many threads are still busy with a stage that was given up?",
                highest(f"{s}_abandoned_stages"), unit="none", budget=4),
        ),
        Row("Verdict mix and reasons", (
            ask("What do the verdicts say?", rate(f"{s}_messages_total", "action"), unit="ops", stacked=True),
            ask("How high are the scores?", quantiles(f"{s}_score_points"), unit="none"),
            ask("Which signals are found most?", _most(rate(f"{s}_signal_hits_total", "signal")), unit="ops"),
            ask("How often do SpamAssassin's rules hit?",
                rate(f"{s}_spamassassin_hits_total", legend="hits"), unit="ops"),
        )),
        dependencies("scoring",
            ask("What do DNS lists say?", rate(f"{s}_list_answers_total", "status"), unit="ops"),
            ask("How many lists and zones are not asked for a while?",
                highest(f"{s}_muted_lists", legend="{{pod}} lists"),
                highest(f"{s}_dns_muted_zones", legend="{{pod}} zones"), unit="none"),
            ask("Are copies counted together with the others?", lowest(f"{s}_campaigns_shared"),
                unit="bool_yes_no"),
        ),
        publishing(
            ask("How many labelled fingerprints are known?", highest(f"{s}_fuzzy_entries"), unit="none"),
        ),
    )  # fmt: skip
    return board("scoring", "How mail is judged, by what, and how fast.", rows)


def _most(query: Query) -> Query:
    """Return the ten highest of a query's series."""
    return Query(f"topk(10, {query.expression})", query.legend)


def delivery() -> Board:
    """Return the dashboard of delivery."""
    d = "mailweir_delivery"
    rows = (
        Row("Traffic", (
            ask("How many recipients are served, by way?", rate(f"{d}_recipients_total", "way"), unit="ops"),
            ask("How many sessions does that take?", rate(f"{d}_connections_total", "origin"), unit="ops"),
            ask("How many connections to next hops are open?", highest(f"{d}_open_connections"), unit="none"),
        )),
        Row("Errors", (
            ask("How many recipients are not served?",
                rate(f"{d}_recipients_total", "way, result", 'result!="delivered"'), unit="ops"),
            ask("What may come twice, and what was kept from it?",
                rate(f"{d}_unknown_outcomes_total", legend="end not answered"),
                rate(f"{d}_already_delivered_total", legend="duplicates avoided"),
                rate(f"{d}_late_replies_total", "verdict", legend="late reply: {{verdict}}"), unit="ops"),
            ask("What is set aside for an admin?", rate(f"{d}_parked_total", "cause"), unit="ops"),
        )),
        Row("Latency against budget", (
            ask("How long from acceptance to delivery?", quantiles(f"{d}_latency_seconds"), unit="s",
                budget=30.0),
        )),
        saturation("delivery",
            ask("How many messages are in hand?", highest(f"{d}_in_hand_messages"), unit="none"),
        ),
        Row("Verdict mix and reasons", (
            ask("What becomes of recipients?", rate(f"{d}_recipients_total", "result"), unit="ops",
                stacked=True),
            ask("Which notices to senders are due?", rate(f"{d}_notices_total", "cause"), unit="ops"),
            ask("Why are messages given back unattempted?", rate(f"{d}_put_back_total", "cause"), unit="ops"),
        )),
        dependencies("delivery",
            ask("Which destinations are out of reach?",
                rate(f"{d}_suspensions_total", legend="suspensions"),
                rate(f"{d}_left_alone_recipients_total", legend="recipients left alone"),
                rate(f"{d}_tls_failures_total", legend="TLS given up"), unit="ops"),
            ask("Which publishes had to be repeated?", rate(f"{d}_publish_retries_total", legend="repeated"),
                unit="ops"),
        ),
        queue(("deliverer",),
            ask("How many wait for their time?", total(f"{d}_deferred_messages", legend="deferred"))),
    )  # fmt: skip
    return board("delivery", "What goes out, where to, and what comes of it.", rows)


def disk(service: str) -> Panel:
    """Return how much room the service's own database has."""
    free, size = f"mailweir_{service}_disk_free_bytes", f"mailweir_{service}_disk_size_bytes"
    return ask("How much room has the database's disk?", highest(free, legend="{{pod}} free"),
               highest(size, legend="{{pod}} size"), unit="bytes",
               note="Of a file on the pod's own disk; PostgreSQL is not measured here.")  # fmt: skip


def quarantine() -> Board:
    """Return the dashboard of quarantine."""
    q = "mailweir_quarantine"
    rows = (
        Row("Traffic", (
            rpc_traffic("quarantine"),
            ask("How many records are written?", rate(f"{q}_records_written_total", legend="records"),
                unit="ops"),
            ask("How many messages are held?", highest(f"{q}_held_messages", legend="{{pod}}"), unit="none"),
        )),
        Row("Errors", (
            rpc_errors("quarantine"),
            ask("What does the database fail at?", rate(f"{q}_sql_errors_total", "operation"), unit="ops"),
            ask("Which messages of the streams are of no use?",
                rate(f"{q}_unusable_messages_total", "consumer"), unit="ops"),
        )),
        Row("Latency against budget", (
            rpc_latency("quarantine", 0.25),
            ask("How long from a decision to its record?", quantiles(f"{q}_record_lag_seconds"), unit="s",
                budget=10.0),
        )),
        saturation("quarantine", disk("quarantine")),
        Row("Verdict mix and reasons", (
            ask("What happens to held mail?", rate(f"{q}_messages_held_total", legend="taken in"),
                rate(f"{q}_releases_total", legend="released"),
                rate(f"{q}_deletions_total", legend="deleted"),
                rate(f"{q}_expired_total", "what", legend="expired: {{what}}"), unit="ops"),
            ask("How many bodies are removed?", rate(f"{q}_bodies_removed_total", legend="removed"),
                unit="ops"),
        )),
        dependencies("quarantine",
            ask("Does released mail get to delivery?", highest(f"{q}_outbox_messages"), unit="none"),
        ),
        queue(("recorder", "holder", "tracker")),
    )  # fmt: skip
    return board("quarantine", "Records and held mail.", rows)


def gateway() -> Board:
    """Return the dashboard of the gateway."""
    g = "mailweir_gateway"
    rows = (
        Row("Traffic", (
            ask("How many requests come in?", rate(f"{g}_requests_total", "status"), unit="reqps"),
            ask("How many policies are proposed?", rate(f"{g}_policy_changes_total", "result"), unit="ops"),
        )),
        Row("Errors", (
            ask("Which requests fail for our own fault?", rate(f"{g}_requests_total", "status",
                'status="5xx"'), unit="reqps"),
            ask("Who comes without a valid key?", rate(f"{g}_key_failures_total", legend="no valid key"),
                unit="reqps"),
        )),
        Row("Latency against budget", (
            ask("How long do requests take?", quantiles(f"{g}_request_seconds"), unit="s", budget=0.5),
        )),
        saturation("gateway", disk("gateway")),
        Row("Verdict mix and reasons", (
            ask("What becomes of requests?", rate(f"{g}_requests_total", "status"), unit="reqps",
                stacked=True),
        )),
        dependencies("gateway",
            ask("What does not answer when it is needed?", rate(f"{g}_outages_total", "part"), unit="ops"),
        ),
        publishing(
            ask("How many messages does each stream hold?",
                highest("mailweir_bus_stream_messages", "stream")),
        ),
    )  # fmt: skip
    return board("gateway", "REST: who asks what, and whether it is answered.", rows)
