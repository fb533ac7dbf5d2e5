"""`mailweir up` from the first check to the last process's end."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from rich.console import Console

from mailweir_cli.api import Api, read_key
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.output import escaped
from mailweir_cli.samples import load_samples
from mailweir_cli.smtp import Server
from mailweir_cli.up import plan, preflight, show
from mailweir_cli.up.certificate import ensure_certificate
from mailweir_cli.up.disk import Starvation
from mailweir_cli.up.lock import data_lock
from mailweir_cli.up.options import UpOptions
from mailweir_cli.up.places import Places, make_places
from mailweir_cli.up.policy import first_policy, ignored_options, write_first_policy
from mailweir_cli.up.prometheus import Prometheus, find_prometheus
from mailweir_cli.up.report import LineReporter, Reporter, TableReporter
from mailweir_cli.up.status import Status
from mailweir_cli.up.supervisor import Supervisor
from mailweir_core.clock import Clock
from mailweir_core.net import NetworkSet, parse_ip
from mailweir_policy.policy import Policy
from mailweir_runtime.listen import LOOPBACK, HostPort, Reservation

READY_SECONDS: Final = 90.0
"""How long the start may take before the samples are given up."""
_ANYWHERE: Final = ("", "0.0.0.0", "::")


async def run_up(
    options: UpOptions, surroundings: Mapping[str, str], console: Console, clock: Clock
) -> int:
    """Run until a signal, the end of `--once`, or a process that cannot be kept running.

    Returns the exit code; raises CommandError for what is wrong before anything has started.
    """
    policy = first_policy(options)
    preflight.check_directory(options.data)
    with data_lock(options.data / "up.lock") as lock, ExitStack() as kept:
        program = preflight.nats_program()
        monitor = find_prometheus() if options.prometheus is not None else None
        options = preflight.settled(options, kept)
        places = make_places(options.data)
        try:
            run = _Run(options, places, policy, console, clock, monitor)
            return await run.to_the_end(program, surroundings, lock, kept)
        finally:
            places.forget_sockets()
            places.state.unlink(missing_ok=True)


class _Run:
    """One run, its options settled and its folders made."""

    def __init__(
        self,
        options: UpOptions,
        places: Places,
        policy: Policy,
        console: Console,
        clock: Clock,
        monitor: Path | None = None,
    ) -> None:
        self._options = options
        self._places = places
        self._policy = policy
        self._clock = clock
        self._good = False
        self._supervisor: Supervisor | None = None
        self._monitor = (
            Prometheus(monitor, options.prometheus, places)
            if monitor is not None and options.prometheus is not None
            else None
        )
        self._reporter: Reporter = (
            TableReporter(console)
            if console.is_terminal and not options.plain
            else LineReporter(console, self._now)
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC).astimezone()

    async def to_the_end(
        self, program: Path, surroundings: Mapping[str, str], lock: int, kept: ExitStack
    ) -> int:
        """Start, show, wait, drain; returns the exit code. `kept` takes what lasts as long."""
        options, places = self._options, self._places
        first = write_first_policy(self._policy, places)
        host = self._policy.identity.hostname
        ensure_certificate(places.certificate, places.certificate_key, host, self._clock.now())
        broker = plan.new_broker(kept.enter_context(Reservation(LOOPBACK)).address.port)
        specs = [
            plan.nats_spec(program, broker, options, places),
            *plan.service_specs(options, places, broker),
        ]
        if self._monitor is not None:
            specs.append(self._monitor.spec())
        places.state.write_text(plan.state_document(options, os.getpid(), broker.port))
        starvation = Starvation(places.data)
        supervisor = Supervisor(specs, places.logs, surroundings, lock, self._changed, starvation)
        self._supervisor = supervisor
        with _Signals(supervisor):
            async with supervisor.running():
                self._reporter.begin(lambda: supervisor.statuses)
                try:
                    async with asyncio.TaskGroup() as group:
                        work = group.create_task(self._work(supervisor, first=first))
                        await supervisor.stopping.wait()
                        work.cancel()
                    self._reporter.say("stopping: what is under way is finished first")
                finally:
                    await supervisor.stop_all()
                    self._reporter.end()
        return self._verdict(supervisor)

    def _changed(self, status: Status) -> None:
        self._reporter.changed(status)
        if self._monitor is not None and self._supervisor is not None:
            self._monitor.ask(self._supervisor.metrics_addresses)

    async def _work(self, supervisor: Supervisor, *, first: bool) -> None:
        self._introduce(first=first)
        try:
            async with asyncio.timeout(READY_SECONDS):
                serving = await supervisor.wait_serving()
        except TimeoutError:
            serving = False
            late = ", ".join(s.name for s in supervisor.statuses if not s.serving)
            self._complain([f"not ready after {READY_SECONDS:g} s: {late}"])
        if serving:
            self._reporter.say("[bold green]ready[/bold green]")
            if first:
                self._reveal()
            self._good = await self._samples() if self._options.samples else True
        if self._options.once:
            supervisor.stopping.set()

    def _introduce(self, *, first: bool) -> None:
        options, places, say = self._options, self._places, self._reporter.say
        say(f"[bold]Mailweir {version('mailweir-cli')}[/bold], data in {escaped(str(places.data))}")
        say(f"  SMTP        {options.smtp}")
        say(f"  submission  {options.submission}  (STARTTLS, then AUTH as demo@example.com;")
        say(f"              password in {escaped(str(places.demo_password))})")
        say(f"  console     http://{_reachable(options.http)}/  (REST under /api/v1, OpenAPI at")
        say(f"              /api/openapi.json; key in {escaped(str(places.admin_key))})")
        if options.prometheus is not None:
            say(f"  prometheus  http://{_reachable(options.prometheus)}/")
        ignored = [] if first else ignored_options(options)
        if ignored:
            say(
                f"[yellow]{' and '.join(ignored)} only count at the first start; this data directory"
                " has its policy: change it with `mailweir config put`[/yellow]"
            )

    def _reveal(self) -> None:
        """Show the secrets that the first start made, once; later they are in their files alone."""
        for what, path in (
            ("admin key", self._places.admin_key),
            ("password of demo@example.com", self._places.demo_password),
        ):
            secret = escaped(path.read_text().strip())
            self._reporter.say(f"  {what}, shown this once: [bold]{secret}[/bold]")

    async def _samples(self) -> bool:
        """Send the samples in and show what became of them; returns whether all is as it should be."""
        options = self._options
        if parse_ip("127.0.0.1") in NetworkSet(self._policy.relay.proxy_networks):
            self._complain(["no samples: from loopback a PROXY header is expected"])
            return False
        samples = load_samples(self._clock.now())
        url = f"http://{_reachable(options.http)}"
        server = Server(_reachable(options.smtp).host, options.smtp.port)
        try:
            with Api(url, read_key(self._places.data)) as api:
                fetch = partial(show.record_of, api)
                outcomes = await show.send_samples(server, samples, fetch)
        except (OSError, CommandError) as error:
            self._complain([f"the samples could not be sent: {error}"])
            return False
        self._reporter.say(show.outcome_table(outcomes))
        return self._agree(outcomes)

    def _agree(self, outcomes: Sequence[show.Outcome]) -> bool:
        maildirs = _maildirs(self._policy)
        copies = show.maildir_copies(maildirs[0]) if maildirs else None
        wrong = show.disagreements(outcomes, copies)
        if wrong:
            self._complain(wrong)
            return False
        where = "Maildir and REST API agree" if maildirs else "the REST API has them all"
        self._reporter.say(f"[green]{where}[/green]: {show.summary(outcomes)}")
        return True

    def _complain(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._reporter.say(f"[red]{escaped(line)}[/red]")

    def _verdict(self, supervisor: Supervisor) -> int:
        if supervisor.failed is not None:
            child = supervisor.failed
            code = Exit.INVALID if child.exit_code == Exit.INVALID else Exit.UNAVAILABLE
            raise CommandError(code, *(f"{child.spec.name}: {w}" for w in child.reasons))
        if supervisor.killed:
            self._complain(["ended by force; what was taken is on disk"])
            return Exit.FAILED
        if supervisor.unclean:
            self._complain([f"had to be killed: {', '.join(supervisor.unclean)}"])
            return Exit.FAILED
        return Exit.FAILED if self._options.once and not self._good else Exit.OK


class _Signals:
    """SIGINT, SIGTERM and SIGHUP drain; a second SIGINT kills."""

    _NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._interrupts = 0

    def __enter__(self) -> None:
        for number in self._NUMBERS:
            asyncio.get_running_loop().add_signal_handler(number, self._on, number)

    def __exit__(self, *_: object) -> None:
        for number in self._NUMBERS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _on(self, number: signal.Signals) -> None:
        self._interrupts += number is signal.SIGINT
        if self._interrupts > 1:
            self._supervisor.kill()
        self._supervisor.stopping.set()


def _reachable(listen: HostPort) -> HostPort:
    return HostPort("127.0.0.1", listen.port) if listen.host in _ANYWHERE else listen


def _maildirs(policy: Policy) -> list[Path]:
    """Return the Maildirs that local mail goes to."""
    urls = [urlsplit(hop) for route in policy.delivery.routes for hop in route.next_hops[:1]]
    return [Path(unquote(url.path)) for url in urls if url.scheme == "maildir"]
