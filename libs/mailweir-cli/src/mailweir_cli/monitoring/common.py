"""What every service's dashboard shows in the same way."""

from collections.abc import Iterable

from mailweir_cli.monitoring.board import Board, Panel, Row, ask
from mailweir_cli.monitoring.query import highest, lowest, quantile, quantiles, rate, total

FAILED_CALLS = 'code!~"ok|cancelled"'


def rpc_traffic(service: str) -> Panel:
    """Return the calls that come in."""
    name = f"mailweir_{service}_rpc_requests_total"
    return ask("How many calls come in, by method?", rate(name, "method"), unit="reqps",
               error_only="series come with the first call of a method")  # fmt: skip


def rpc_errors(service: str) -> Panel:
    """Return the calls that fail."""
    name = f"mailweir_{service}_rpc_requests_total"
    return ask("Which calls fail, and how?", rate(name, "method, code", FAILED_CALLS), unit="reqps",
               error_only="series come with the first failed call")  # fmt: skip


def rpc_latency(service: str, budget: float) -> Panel:
    """Return the time of calls against a budget in seconds."""
    name = f"mailweir_{service}_rpc_seconds"
    return ask("How long do calls take?", quantiles(name), unit="s", budget=budget)


def saturation(service: str, *more: Panel) -> Row:
    """Return how busy the processes are."""
    return Row("Saturation", (
        *more,
        ask("How much CPU does each pod use?", rate("process_cpu_seconds_total", "pod"), unit="none",
            note="In cores; one process uses little more than one."),
        ask("How much memory does each pod hold?", highest("process_resident_memory_bytes"), unit="bytes"),
        ask("How late does the event loop run?",
            quantile(0.99, f"mailweir_{service}_loop_lag_seconds", "pod"), unit="s", budget=0.1),
        ask("How many files and sockets are open?", highest("process_open_fds"), unit="none"),
    ))  # fmt: skip


def dependencies(service: str, *more: Panel) -> Row:
    """Return what it works without at the moment."""
    state = f"mailweir_{service}_state"
    return Row("Degraded dependencies", (
        ask("In which state are the pods?", total(state, state), unit="none", stacked=True),
        *more,
        ask("Does the bus answer?", lowest("mailweir_bus_open_connections"), unit="bool_yes_no"),
        ask("Which publishes are not confirmed?", rate("mailweir_bus_publish_failures_total", "kind"),
            unit="reqps"),
        ask("Was a policy rejected?", rate("mailweir_config_rejected_total", "kind"), unit="ops"),
    ))  # fmt: skip


def queue(consumers: Iterable[str], *more: Panel) -> Row:
    """Return what waits for a service on the bus."""
    names = "|".join(consumers)
    match = f'consumer=~"{names}"'
    bus = "mailweir_bus"
    return Row("Queue lag", (
        ask("How many messages wait or are in hand?", highest(f"{bus}_lag_messages", "consumer", match)),
        ask("What becomes of the messages it takes?",
            rate(f"{bus}_messages_handled_total", "consumer, result", match), unit="ops"),
        ask("Which come again, and which are parked?",
            rate(f"{bus}_redelivered_total", "consumer", match, "{{consumer}} again"),
            rate(f"{bus}_parked_total", "consumer", match, "{{consumer}} parked"), unit="ops"),
        *more,
    ))  # fmt: skip


def publishing(*more: Panel) -> Row:
    """Return how long the bus takes with what a service without a queue gives it."""
    seconds = "mailweir_bus_publish_seconds"
    return Row("Queue lag", (
        *more,
        ask("How many messages does it publish?", rate(f"{seconds}_count", "stream"), unit="ops"),
        ask("How long does the broker take to confirm?", quantile(0.95, seconds), unit="s", budget=0.25,
            error_only="a quantile needs something published in the window"),
    ))  # fmt: skip


def versions(service: str) -> Row:
    """Return what runs."""
    build = f"mailweir_{service}_build_info"
    return Row("Versions run", (
        ask("Which version runs in how many pods?", total(build, "version"), unit="none", stacked=True),
        ask("Which policy does each pod use?", highest("mailweir_config_version_number"), unit="none"),
        ask("When did each pod start?",
            highest("process_start_time_seconds"), unit="dateTimeFromNow", kind="stat"),
    ))  # fmt: skip


def board(service: str, about: str, rows: tuple[Row, ...]) -> Board:
    """Return a service's dashboard."""
    pods = f"mailweir_{service}_build_info"
    return Board(service, f"Mailweir / {service}", about, pods, (*rows, versions(service)))
