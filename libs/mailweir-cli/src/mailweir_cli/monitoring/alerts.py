"""Every alert. A page is for what loses or delays mail now; a ticket for what will, or makes it worse."""

from typing import Final

from mailweir_cli.monitoring.alert import Alert, Group
from mailweir_cli.monitoring.edge_boards import OWN_FAULT
from mailweir_cli.monitoring.query import SERVICES

_FAILED_SHARE: Final = """\
  (
      sum by (namespace) (rate(mailweir_ingress_refusals_total{{reason=~"{own}"}}[{window}]))
    + sum by (namespace) (rate(mailweir_ingress_messages_total{{action="defer",reason=~"{own}"}}[{window}]))
  )
  / clamp_min(sum by (namespace) (rate(mailweir_ingress_sessions_total[{window}])), 1e-9)
  > {most:g}"""
_SERVICE: Final = '"service", "$1", "__name__", "mailweir_([a-z]+)_build_info"'
_BUILDS: Final = '{__name__=~"mailweir_[a-z]+_build_info"}'


def _burn(windows: tuple[str, str], times: float) -> str:
    """Return when, in both windows, errors are so many times what 99.9 % would allow."""
    parts = (_FAILED_SHARE.format(own=OWN_FAULT, window=w, most=times * 0.001) for w in windows)
    return "\nand\n".join(parts)


def _degraded() -> str:
    return "\nor\n".join(
        f"label_replace(\n  max by (namespace, pod) (mailweir_{name}_state"
        f'{{mailweir_{name}_state="degraded"}}) == 1,\n  "service", "{name}", "", "")'
        for name in SERVICES
    )


def _any(*parts: str) -> str:
    return "\nor\n".join(parts)


def _grew(metric: str, window: str, by: str = "namespace", more_than: float = 0) -> str:
    return f"sum by ({by}) (increase({metric}[{window}])) > {more_than:g}"


def _slow_loop() -> str:
    return "\nor\n".join(
        f"histogram_quantile(0.99, sum by (namespace, pod, le) (\n"
        f"  rate(mailweir_{name}_loop_lag_seconds_bucket[5m]))) > 0.5"
        for name in SERVICES
    )


def _disk() -> str:
    return "\nor\n".join(
        f"max by (namespace, pod) (mailweir_{name}_disk_free_bytes / mailweir_{name}_disk_size_bytes) < 0.1"
        for name in ("quarantine", "gateway")
    )


def _mixed() -> str:
    return f"count by (namespace) (\n  count by (namespace, version) (\n    {_BUILDS})) > 1"


FLOW: Final = Group("flow", (
    Alert("MailweirNoMail", "page", "No message has come for half an hour, where there was mail before.", """\
sum by (namespace) (increase(mailweir_ingress_messages_total[30m])) == 0
and sum by (namespace) (increase(mailweir_ingress_messages_total[1d])) > 100""", "5m"),
    Alert("MailweirServiceGone", "page", "No pod of {{ $labels.service }} is left.", f"""\
count by (namespace, service) (
  label_replace(last_over_time({_BUILDS}[6h]), {_SERVICE}))
unless count by (namespace, service) (
  label_replace({_BUILDS}, {_SERVICE}))""", "2m"),
    Alert("MailweirRefusalsBurnFast", "page",
          "We fail so many sessions that the month's 0.1 % is gone in two days.",
          _burn(("1h", "5m"), 14.4), "2m"),
    Alert("MailweirRefusalsBurnSlow", "ticket",
          "We fail so many sessions that the month's 0.1 % is gone in five days.",
          _burn(("6h", "30m"), 6.0), "15m"),
    Alert("MailweirVerdictSlow", "ticket", "More than one verdict of twenty takes over a second.", """\
1 - sum by (namespace) (rate(mailweir_ingress_phase_seconds_bucket{phase="score",le="1.0"}[10m]))
  / sum by (namespace) (rate(mailweir_ingress_phase_seconds_count{phase="score"}[10m])) > 0.05""", "10m"),
    Alert("MailweirServiceDegraded", "ticket",
          "{{ $labels.service }} works with less in {{ $labels.pod }}; its log says with what.",
          _degraded(), "5m"),
    Alert("MailweirEventLoopLate", "ticket", "{{ $labels.pod }} is overloaded: its event loop runs late.",
          _slow_loop(), "5m"),
))  # fmt: skip

EDGE: Final = Group("edge", (
    Alert("MailweirShedding", "ticket", "Strangers are turned away, since there is too much to do.",
          "max by (namespace) (mailweir_ingress_strangers_shed_ratio) > 0", "5m"),
    Alert("MailweirClientsMasked", "page", "All clients have one private address: a balancer hides them.",
          "max by (namespace) (mailweir_ingress_clients_masked) == 1", "10m"),
    Alert("MailweirCheckFailing", "ticket",
          "A fifth of the checks by {{ $labels.check }} fail, or it is not asked since they did.", _any("""\
sum by (namespace, check) (rate(mailweir_ingress_checks_total{status="temperror"}[10m]))
  / clamp_min(sum by (namespace, check) (rate(mailweir_ingress_checks_total[10m])), 1e-9) > 0.2""",
          _grew("mailweir_ingress_check_rests_total", "10m", "namespace, check")), "5m"),
    Alert("MailweirListSick", "ticket", "A DNS list does not serve us, and is not asked.", _any(
        'max by (namespace, list) (mailweir_reputation_list_state{state=~"muted|dead"}) == 1',
        "max by (namespace) (mailweir_scoring_muted_lists) > 0"), "15m"),
    Alert("MailweirNameServersFail", "ticket", "Name servers fail a quarter of what they are asked.",
          _any(*(f"""\
sum by (namespace) (rate(mailweir_{name}_dns_server_failures_total[10m]))
  / clamp_min(sum by (namespace) (rate(mailweir_{name}_dns_answers_total[10m])), 1e-9) > 0.25"""
                 for name in ("reputation", "scoring"))), "10m"),
    Alert("MailweirBanSurge", "ticket", "Many more bans are set than on other hours of the day.", """\
sum by (namespace) (increase(mailweir_ratelimit_bans_total[1h])) > 50
and sum by (namespace) (increase(mailweir_ratelimit_bans_total[1h]))
  > 5 * sum by (namespace) (increase(mailweir_ratelimit_bans_total[1d])) / 24"""),
    Alert("MailweirAccountBlocked", "ticket", "An account was blocked for what it sent.",
          _grew("mailweir_ratelimit_accounts_blocked_total", "1h")),
    Alert("MailweirLimitsUncounted", "ticket", "Limits are not counted: the counters' store fails.", _any(
        _grew("mailweir_ratelimit_uncounted_total", "10m"),
        _grew("mailweir_ratelimit_intrusion_failures_total", "10m")), "5m"),
    Alert("MailweirGreylistStoreFails", "ticket", "Greylisting lets through, since its store fails.",
          _grew("mailweir_greylist_store_failures_total", "10m"), "5m"),
    Alert("MailweirStagesFail", "ticket", "{{ $labels.stage }} gives nothing for a tenth of the mail.",
          """\
sum by (namespace, stage) (rate(mailweir_scoring_stage_failures_total[10m]))
  / on (namespace) group_left ()
  clamp_min(sum by (namespace) (rate(mailweir_scoring_messages_total[10m])), 1e-9) > 0.1""", "5m"),
))  # fmt: skip

BUS: Final = Group("bus", (
    Alert("MailweirBusAway", "page", "{{ $labels.pod }} has no connection to the bus.",
          "min by (namespace, pod) (mailweir_bus_open_connections) == 0", "1m"),
    Alert("MailweirPublishFails", "page", "The bus does not confirm what is published ({{ $labels.kind }}).",
          _grew("mailweir_bus_publish_failures_total", "5m", "namespace, kind", 5), "2m"),
    Alert("MailweirLagGrows", "page", "What waits for {{ $labels.consumer }} grows and grows.", """\
max by (namespace, consumer) (mailweir_bus_lag_messages) > 1000
and max by (namespace, consumer) (mailweir_bus_lag_messages)
  > max by (namespace, consumer) (mailweir_bus_lag_messages offset 15m)""", "10m"),
    Alert("MailweirParked", "ticket", "Messages were set aside that nobody could handle.", _any(
        _grew("mailweir_bus_parked_total", "30m", "namespace, consumer"),
        _grew("mailweir_delivery_parked_total", "30m"),
        _grew("mailweir_quarantine_unusable_messages_total", "30m", "namespace, consumer"))),
    Alert("MailweirStoreNearFull", "page", "The bus's store is four fifths full: soon it takes no mail.", """\
max by (namespace) (mailweir_bus_store_used_bytes)
  / max by (namespace) (mailweir_bus_store_limit_bytes) > 0.8""", "5m"),
    Alert("MailweirDiskNearFull", "page", "Less than a tenth of the disk of {{ $labels.pod }} is free.",
          _disk(), "5m"),
    Alert("MailweirBodiesBroken", "page", "Bodies in the store are incomplete.",
          _grew("mailweir_bus_body_digest_failures_total", "30m")),
))  # fmt: skip

INNER: Final = Group("inner", (
    Alert("MailweirConfigDrift", "page", "Pods judge by different versions of the policy.", """\
max by (namespace) (mailweir_config_version_number)
  != min by (namespace) (mailweir_config_version_number)""", "2m"),
    Alert("MailweirConfigRejected", "page", "A policy in force cannot be used; the last good one is.",
          _grew("mailweir_config_rejected_total", "15m")),
    Alert("MailweirVersionsMixed", "ticket", "Pods of different versions have run side by side for an hour.",
          _mixed(), "1h"),
    Alert("MailweirDeliveryFails", "page", "More than half of the recipients are put off or fail.", """\
sum by (namespace) (rate(mailweir_delivery_recipients_total{result!="delivered"}[15m]))
  / clamp_min(sum by (namespace) (rate(mailweir_delivery_recipients_total[15m])), 1e-9) > 0.5""", "10m"),
    Alert("MailweirDestinationDown", "ticket", "A destination cannot be reached and is left alone.",
          _grew("mailweir_delivery_suspensions_total", "15m"), "15m"),
    Alert("MailweirDuplicatesPossible", "ticket",
          "Next hops do not answer the end of messages: some may come twice.",
          _grew("mailweir_delivery_unknown_outcomes_total", "1h", more_than=5)),
    Alert("MailweirRecordsLate", "ticket", "Records come more than a minute after the decision.", """\
histogram_quantile(0.95, sum by (namespace, le) (
  rate(mailweir_quarantine_record_lag_seconds_bucket[10m]))) > 60""", "5m"),
    Alert("MailweirReleasesStuck", "page", "Released mail does not get to delivery.",
          "max by (namespace) (mailweir_quarantine_outbox_messages) > 0", "10m"),
    Alert("MailweirDatabaseFails", "page", "The database fails.", _any(
        _grew("mailweir_quarantine_sql_errors_total", "10m", more_than=3),
        _grew('mailweir_gateway_outages_total{part="database"}', "10m", more_than=3)), "2m"),
    Alert("MailweirApiFails", "ticket", "One of a hundred REST requests fails for our own fault.", """\
sum by (namespace) (rate(mailweir_gateway_requests_total{status="5xx"}[10m]))
  / clamp_min(sum by (namespace) (rate(mailweir_gateway_requests_total[10m])), 1e-9) > 0.01""", "5m"),
))  # fmt: skip

GROUPS: Final = (FLOW, EDGE, BUS, INNER)
