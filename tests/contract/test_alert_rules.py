"""Each alert fires in its fault and is over after it, as Prometheus' own tool for rules sees it."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailweir_cli.monitoring.alert import Group, rules
from mailweir_cli.monitoring.alerts import GROUPS

PROMTOOL = shutil.which("promtool")
RULES = Path(__file__).resolve().parents[2] / "helm" / "mailweir" / "alerts"
INGRESS, BUS, DELIVERY = "mailweir_ingress", "mailweir_bus", "mailweir_delivery"
QUARANTINE, LIMITS = "mailweir_quarantine", "mailweir_ratelimit"

pytestmark = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not on PATH (Debian: apt install prometheus)"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A sample a minute of each series, in promtool's notation; minutes when it fires and is over."""

    fires: int
    over: int
    series: dict[str, str]


def once(metric: str, fires: int = 15, over: int = 60) -> Fault:
    """Count one thing at minute 11."""
    return Fault(fires, over, {metric: "0x10 1x200"})


def burst(metric: str, fires: int = 25, over: int = 60, growth: int = 5) -> Fault:
    """Count things from minute 11 to minute 31."""
    return Fault(fires, over, {metric: f"0x10 0+{growth}x20 {20 * growth}x200"})


def while_(metric: str, bad: float, good: float = 0, minutes: int = 30) -> Fault:
    """Show a bad value from minute 6 on."""
    return Fault(minutes, minutes + 30, {metric: f"{good}x5 {bad}x{minutes} {good}x60"})


FAULTS: dict[str, Fault] = {
    "MailweirNoMail": Fault(110, 140, {
        f'{INGRESS}_messages_total{{action="accept"}}': "0+10x60 600x60 600+10x60"}),
    "MailweirServiceGone": Fault(50, 110, {
        'mailweir_scoring_build_info{version="1"}': "1x30 _x60 1x60",
        'mailweir_ingress_build_info{version="1"}': "1x200"}),
    "MailweirRefusalsBurnFast": Fault(60, 135, {
        f'{INGRESS}_sessions_total{{ending="quit"}}': "0+100x400",
        f'{INGRESS}_messages_total{{action="defer",reason="store-unavailable"}}': "0+1x120 120x300",
        f'{INGRESS}_refusals_total{{reason="internal-error"}}': "0+5x120 600x300"}),
    "MailweirRefusalsBurnSlow": Fault(120, 640, {
        f'{INGRESS}_sessions_total{{ending="quit"}}': "0+100x800",
        f'{INGRESS}_messages_total{{action="defer",reason="store-unavailable"}}': "0x800",
        f'{INGRESS}_refusals_total{{reason="internal-error"}}': "0+1x600 600x200"}),
    "MailweirVerdictSlow": Fault(25, 60, {
        f'{INGRESS}_phase_seconds_bucket{{phase="score",le="1.0"}}': "0+50x30 1500+100x60",
        f'{INGRESS}_phase_seconds_count{{phase="score"}}': "0+100x100"}),
    "MailweirServiceDegraded": while_('mailweir_ingress_state{mailweir_ingress_state="degraded"}', 1),
    "MailweirEventLoopLate": Fault(20, 60, {
        'mailweir_scoring_loop_lag_seconds_bucket{le="0.1"}': "0x30 0+60x60",
        'mailweir_scoring_loop_lag_seconds_bucket{le="1.0"}': "0+60x100",
        'mailweir_scoring_loop_lag_seconds_bucket{le="+Inf"}': "0+60x100"}),
    "MailweirShedding": while_(f"{INGRESS}_strangers_shed_ratio{{}}", 0.5),
    "MailweirClientsMasked": while_(f"{INGRESS}_clients_masked{{}}", 1),
    "MailweirCheckFailing": Fault(20, 60, {
        f'{INGRESS}_checks_total{{check="greylist",status="temperror"}}': "0+50x30 1500x60",
        f'{INGRESS}_checks_total{{check="greylist",status="ok"}}': "0+50x100"}),
    "MailweirListSick": while_('mailweir_reputation_list_state{list="a",state="muted"}', 1),
    "MailweirNameServersFail": Fault(30, 70, {
        'mailweir_reputation_dns_server_failures_total{cause="timeout"}': "0+50x40 2000x60",
        'mailweir_reputation_dns_answers_total{status="ok"}': "0+100x110"}),
    "MailweirBanSurge": Fault(330, 460, {
        f'{LIMITS}_bans_total{{kind="spam"}}': "0+1x300 300+20x60 1500x300"}),
    "MailweirAccountBlocked": once(f"{LIMITS}_accounts_blocked_total{{}}", over=90),
    "MailweirLimitsUncounted": burst(f'{LIMITS}_uncounted_total{{operation="take"}}'),
    "MailweirGreylistStoreFails": burst('mailweir_greylist_store_failures_total{cause="slow"}'),
    "MailweirStagesFail": Fault(20, 60, {
        'mailweir_scoring_stage_failures_total{stage="auth",cause="overrun"}': "0+20x30 600x60",
        'mailweir_scoring_messages_total{action="accept"}': "0+100x100"}),
    "MailweirBusAway": while_(f"{BUS}_open_connections{{}}", 0, 1),
    "MailweirPublishFails": burst(f'{BUS}_publish_failures_total{{kind="full"}}'),
    "MailweirLagGrows": Fault(40, 100, {
        f'{BUS}_lag_messages{{consumer="recorder"}}': "0+100x60 6000x10 6000-100x59"}),
    "MailweirParked": once(f'{BUS}_parked_total{{consumer="recorder"}}'),
    "MailweirStoreNearFull": Fault(20, 50, {
        f"{BUS}_store_used_bytes{{}}": "10x5 90x30 10x60", f"{BUS}_store_limit_bytes{{}}": "100x100"}),
    "MailweirDiskNearFull": Fault(20, 50, {
        f"{QUARANTINE}_disk_free_bytes{{}}": "50x5 5x30 50x60",
        f"{QUARANTINE}_disk_size_bytes{{}}": "100x100"}),
    "MailweirBodiesBroken": once(f"{BUS}_body_digest_failures_total{{}}"),
    "MailweirConfigDrift": Fault(20, 50, {
        'mailweir_config_version_number{other="pod"}': "1x100",
        "mailweir_config_version_number{}": "1x5 2x30 1x60"}),
    "MailweirConfigRejected": once('mailweir_config_rejected_total{kind="invalid"}'),
    "MailweirVersionsMixed": Fault(80, 120, {
        'mailweir_ingress_build_info{version="1"}': "1x100 _x100",
        'mailweir_scoring_build_info{version="2"}': "1x200"}),
    "MailweirDeliveryFails": Fault(40, 100, {
        f'{DELIVERY}_recipients_total{{result="deferred"}}': "0+90x60 5400x60",
        f'{DELIVERY}_recipients_total{{result="delivered"}}': "0+10x60 600+100x60"}),
    "MailweirDestinationDown": Fault(40, 100, {f"{DELIVERY}_suspensions_total{{}}": "0+1x60 60x60"}),
    "MailweirDuplicatesPossible": Fault(25, 120, {
        f"{DELIVERY}_unknown_outcomes_total{{}}": "0+1x30 30x120"}),
    "MailweirRecordsLate": Fault(20, 70, {
        f'{QUARANTINE}_record_lag_seconds_bucket{{le="60.0"}}': "0x30 0+10x60",
        f'{QUARANTINE}_record_lag_seconds_bucket{{le="300.0"}}': "0+10x100",
        f'{QUARANTINE}_record_lag_seconds_bucket{{le="+Inf"}}': "0+10x100"}),
    "MailweirReleasesStuck": while_(f"{QUARANTINE}_outbox_messages{{}}", 1),
    "MailweirDatabaseFails": burst(f'{QUARANTINE}_sql_errors_total{{operation="record"}}'),
    "MailweirApiFails": Fault(20, 60, {
        'mailweir_gateway_requests_total{status="5xx"}': "0+5x30 150x60",
        'mailweir_gateway_requests_total{status="2xx"}': "0+95x100"}),
}  # fmt: skip
"""By alert: the fault that it is there for."""


def placed(series: str) -> str:
    """Return a series with the labels that every target has; the pod is one of two."""
    name, _, labels = series.rstrip("}").partition("{")
    pod = "b" if 'other="pod"' in labels else "a"
    kept = labels.replace('other="pod"', "")
    return f'{name}{{namespace="mail",pod="{pod}"{"," if kept else ""}{kept}}}'


def expected(alert: str, minute: int, count: int) -> dict[str, object]:
    """Return a check of how many series of an alert fire at a minute."""
    firing = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    return {
        "expr": f"count({firing}) or vector(0)",
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": "{}", "value": count}],
    }


def test_every_alert_has_its_fault() -> None:
    assert {a.name for group in GROUPS for a in group.alerts} == FAULTS.keys()


def test_the_tool_accepts_the_charts_rules() -> None:
    files = sorted(RULES.glob("*.yaml"))
    done = subprocess.run(
        [str(PROMTOOL), "check", "rules", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(files) == len(GROUPS)


@pytest.mark.parametrize("name", FAULTS)
def test_an_alert_fires_in_its_fault_and_is_over_after_it(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    (tmp_path / "rules.yml").write_text(rules([alone(name)]))
    series = [{"series": placed(one), "values": values} for one, values in fault.series.items()]
    checks = [
        expected(name, minute, count)
        for minute, count in ((0, 0), (fault.fires, 1), (fault.over, 0))
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": checks}
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yml").write_text(json.dumps(document))
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", "test.yml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def alone(name: str) -> Group:
    """Return an alert without the others."""
    (found,) = (a for group in GROUPS for a in group.alerts if a.name == name)
    return Group("one", (found,))
