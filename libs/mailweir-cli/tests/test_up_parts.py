"""The parts of `up` that need no process."""

import json
import os
import socket
import ssl
import stat
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.up import disk, plan, preflight
from mailweir_cli.up.backoff import HEALTHY_SECONDS, MOST_SECONDS, Backoff
from mailweir_cli.up.certificate import ensure_certificate
from mailweir_cli.up.logfile import LogFile
from mailweir_cli.up.options import UpOptions, listen_option
from mailweir_cli.up.places import Places, make_places
from mailweir_cli.up.policy import first_policy, ignored_options, write_first_policy
from mailweir_policy.document import loads
from mailweir_policy.policy import Policy
from mailweir_runtime.listen import MAX_UNIX_PATH_BYTES, HostPort


def options(data: Path, **changes: object) -> UpOptions:
    loopback = HostPort("127.0.0.1", 0)
    return replace(UpOptions(data, loopback, loopback, loopback), **changes)  # type: ignore[arg-type]  # fields by name


class TestBackoff:
    def test_pauses_double_up_to_a_bound(self) -> None:
        backoff = Backoff(was_ready=True)
        pauses = [backoff.died(1.0) for _ in range(40)]
        assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
        assert pauses[-1] == MOST_SECONDS
        assert not backoff.hopeless

    def test_a_healthy_minute_wipes_the_sheet(self) -> None:
        backoff = Backoff(was_ready=True)
        for _ in range(5):
            backoff.died(1.0)
        assert backoff.died(HEALTHY_SECONDS) == 0.2

    def test_what_never_was_ready_is_given_up_even_if_it_took_long(self) -> None:
        backoff = Backoff()
        for _ in range(3):
            backoff.died(HEALTHY_SECONDS * 2)
            assert not backoff.hopeless
        backoff.died(HEALTHY_SECONDS * 2)
        assert backoff.hopeless


class TestCertificate:
    def test_it_serves_tls_for_localhost_and_the_key_is_private(self, tmp_path: Path) -> None:
        crt, key = tmp_path / "crt", tmp_path / "key"
        assert ensure_certificate(crt, key, "mx.example.com", 1_750_000_000.0)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(crt, key)
        client = ssl.create_default_context(cafile=str(crt))
        assert client.check_hostname
        made = x509.load_pem_x509_certificate(crt.read_bytes())
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["mx.example.com", "localhost"]
        assert made.not_valid_before_utc.timestamp() < 1_750_000_000.0

    def test_one_that_is_there_stays(self, tmp_path: Path) -> None:
        crt, key = tmp_path / "crt", tmp_path / "key"
        ensure_certificate(crt, key, "a.example", 1_750_000_000.0)
        before = crt.read_bytes()
        assert not ensure_certificate(crt, key, "b.example", 1_750_000_000.0)
        assert crt.read_bytes() == before
        key.unlink()
        assert ensure_certificate(crt, key, "b.example", 1_750_000_000.0)

    def test_a_long_host_name_is_no_obstacle(self, tmp_path: Path) -> None:
        host = ".".join(["label" * 6] * 5)
        assert ensure_certificate(tmp_path / "c", tmp_path / "k", host, 1_750_000_000.0)


class TestLogFile:
    def test_the_last_words_are_the_lines_that_are_no_json(self, tmp_path: Path) -> None:
        log = LogFile(tmp_path / "x.log")
        log.path.write_text("an old line\n")
        offset = log.size()
        with log.path.open("a") as out:
            out.write('first\n{"event": "x"}\n\nwhy it ended\nand more\n')
        assert log.last_words(offset) == ["why it ended", "and more"]

    def test_they_are_read_from_the_start_when_the_log_was_emptied_meanwhile(
        self, tmp_path: Path
    ) -> None:
        log = LogFile(tmp_path / "x.log")
        log.path.write_text("why\n")
        assert log.last_words(100) == ["why"]

    def test_trimming_keeps_one_old_log(self, tmp_path: Path) -> None:
        log = LogFile(tmp_path / "x.log")
        assert (log.size(), log.trim()) == (0, False)
        with log.path.open("ab") as child:
            child.write(b"x" * 100)
            child.flush()
            assert not log.trim(101)
            assert log.trim(100)
            child.write(b"after\n")
        assert log.path.read_bytes() == b"after\n"
        assert (tmp_path / "x.log.1").read_bytes() == b"x" * 100


class TestPlaces:
    def test_folders_are_made_for_their_owner_alone(self, tmp_path: Path) -> None:
        places = make_places(tmp_path / "a" / "b")
        for folder in (places.data, places.sockets, places.logs, places.nats, places.signing_keys):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert places.database("gateway") == f"sqlite+aiosqlite:///{tmp_path}/a/b/gateway.db"

    def test_sockets_of_a_deep_directory_lie_elsewhere(self, tmp_path: Path) -> None:
        deep = tmp_path / ("d" * 90)
        places = make_places(deep)
        try:
            path = places.socket("quarantine").removeprefix("unix:")
            assert len(path) <= MAX_UNIX_PATH_BYTES
            assert not path.startswith(str(deep))
        finally:
            places.forget_sockets()
        assert not places.sockets.exists()


class TestFirstPolicy:
    def test_mail_goes_to_a_maildir_in_the_data_directory(self, tmp_path: Path) -> None:
        policy = first_policy(options(tmp_path))
        assert policy.delivery.routes[0].next_hops == (f"maildir://{tmp_path}/maildir",)
        assert policy.relay.domains == Policy().relay.domains
        assert policy.relay.proxy_networks == ()

    def test_the_options_are_in_it(self, tmp_path: Path) -> None:
        policy = first_policy(
            options(
                tmp_path,
                next_hop="smtp://127.0.0.1:26",
                proxy_from=("10.0.0.0/8", "::1"),
                assignments=("scoring.thresholds.tag=5", "identity.hostname=mx.test"),
            )
        )
        assert policy.delivery.routes[0].next_hops == ("smtp://127.0.0.1:26",)
        assert policy.relay.proxy_networks == ("10.0.0.0/8", "::1/128")
        assert (policy.scoring.thresholds.tag, policy.identity.hostname) == (5.0, "mx.test")

    @pytest.mark.parametrize(
        ("changes", "lines"),
        [
            ({"assignments": ("x",)}, ("--set 'x': write path.to.field=value",)),
            ({"assignments": ("format.x=1", "y")}, ("--set format.x: ", "--set 'y': ")),
            ({"assignments": ("session.moon=1",)}, ("session.moon: unknown key",)),
            (
                {"assignments": ("scoring.thresholds.tag=9",)},
                ("scoring.thresholds: tag (9) must be below quarantine (8)",),
            ),
            ({"proxy_from": ("10.0.0.1/8",)}, ("relay.proxy_networks.0: ",)),
            ({"next_hop": "http://x"}, ("delivery.routes.0.next_hops.0: 'http://x': the scheme",)),
        ],
    )
    def test_everything_wrong_has_a_line_with_its_path(
        self, tmp_path: Path, changes: dict[str, object], lines: tuple[str, ...]
    ) -> None:
        with pytest.raises(CommandError) as caught:
            first_policy(options(tmp_path, **changes))
        assert caught.value.code is Exit.INVALID
        assert len(caught.value.lines) == len(lines)
        for line, start in zip(caught.value.lines, lines, strict=True):
            assert line.startswith(start)

    def test_it_is_written_for_the_first_start_only(self, tmp_path: Path) -> None:
        places = Places(tmp_path, tmp_path)
        policy = first_policy(options(tmp_path))
        assert write_first_policy(policy, places)
        assert loads(places.first_policy.read_bytes()) == policy
        places.admin_key.write_text("key")
        places.first_policy.unlink()
        assert not write_first_policy(policy, places)
        assert not places.first_policy.exists()

    def test_options_that_come_too_late_are_named(self, tmp_path: Path) -> None:
        assert ignored_options(options(tmp_path)) == []
        late = options(tmp_path, next_hop="x", assignments=("a=1",))
        assert ignored_options(late) == ["--next-hop", "--set"]


class TestPreflight:
    def test_a_directory_that_cannot_be_written_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(CommandError, match="cannot be written: Not a directory") as caught:
            preflight.check_directory(tmp_path / "file" / "data")
        assert caught.value.code is Exit.UNAVAILABLE
        preflight.check_directory(tmp_path / "new" / "data")
        assert list((tmp_path / "new" / "data").iterdir()) == []

    def test_ports_are_settled_and_those_in_use_are_named_together(self, tmp_path: Path) -> None:
        with ExitStack() as kept:
            settled = preflight.settled(options(tmp_path), kept)
            assert 0 not in (settled.smtp.port, settled.submission.port, settled.http.port)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            there = HostPort("127.0.0.1", port)
            with ExitStack() as kept, pytest.raises(CommandError) as caught:
                preflight.settled(options(tmp_path, smtp=there, http=there), kept)
        assert caught.value.code is Exit.UNAVAILABLE
        assert caught.value.lines == (
            f"--smtp 127.0.0.1:{port}: the port is in use; end what listens there, or name another one",
            f"--http 127.0.0.1:{port}: the port is in use; end what listens there, or name another one",
        )

    def test_an_address_of_another_machine_is_named(self) -> None:
        with pytest.raises(CommandError, match="no such address"):
            preflight.reserved("--smtp", HostPort("192.0.2.1", 0))

    def test_an_old_or_broken_nats_server_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "nats-server"
        monkeypatch.setattr(preflight, "find_server", lambda: program)
        with pytest.raises(CommandError, match=r"unknown version; at least 2\.12"):
            preflight.nats_program()
        program.write_text("#!/bin/sh\necho nats-server: v2.9.10\n")
        program.chmod(0o755)
        with pytest.raises(CommandError, match=r"is 2\.9\.10; at least 2\.12 is needed"):
            preflight.nats_program()
        program.write_text("#!/bin/sh\necho nats-server: v2.12.0\n")
        assert preflight.nats_program() == program
        monkeypatch.setattr(preflight, "find_server", lambda: None)
        with pytest.raises(CommandError, match="there is no nats-server"):
            preflight.nats_program()

    @pytest.mark.parametrize(
        ("text", "want"),
        [("25", "127.0.0.1:25"), ("0.0.0.0:25", "0.0.0.0:25"), ("[::1]:25", "[::1]:25")],
    )
    def test_a_port_alone_means_loopback(self, text: str, want: str) -> None:
        assert str(listen_option("--smtp", text)) == want

    @pytest.mark.parametrize("text", ["x", "70000", "a b:1", "-1"])
    def test_what_is_no_port_is_refused(self, text: str) -> None:
        with pytest.raises(CommandError, match=f"--smtp {text}: write host:port") as caught:
            listen_option("--smtp", text)
        assert caught.value.code is Exit.INVALID


class TestDisk:
    def test_the_reserve_is_a_gigabyte_or_an_eighth_of_a_small_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for total, want in ((2**40, 2**30), (2**30, 2**27)):
            monkeypatch.setattr(
                disk.shutil, "disk_usage", lambda _, t=total: SimpleNamespace(total=t)
            )
            assert disk.reserve(tmp_path) == want

    def test_the_end_of_a_starvation_is_told_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = SimpleNamespace(total=2**30, free=0)
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: now)
        watch = disk.Starvation(tmp_path)

        def told(free: int) -> bool:
            now.free = free
            return watch.is_over()

        frees = (2**29, 1000, 2000, 2**21, 2**27, 2**27, 0, 2**28)
        assert [told(free) for free in frees] == [
            False, False, False, False, True, False, False, True,
        ]  # fmt: skip


class TestPlan:
    def test_every_service_gets_its_settings_and_the_broker_s_word(self, tmp_path: Path) -> None:
        places = Places(tmp_path, tmp_path / "run")
        broker = plan.new_broker(4222)
        specs = {
            s.name: s
            for s in plan.service_specs(options(tmp_path, dns="127.0.0.1:53"), places, broker)
        }
        assert set(specs) | {"nats", "prometheus"} == set(plan.STOP_ORDER)
        for name, spec in specs.items():
            prefix = f"MAILWEIR_{name.upper()}_"
            assert spec.command[1:] == ("-m", f"mailweir_{name}")
            assert all(key.startswith(prefix) for key in (*spec.environment, *spec.defaults))
            assert spec.environment[f"{prefix}NATS_URL"] == f"nats://{broker.token}@127.0.0.1:4222"
            assert spec.probe_variable == f"{prefix}METRICS_LISTEN"
        delivery = specs["delivery"].environment
        assert delivery["MAILWEIR_DELIVERY_DNS"] == "127.0.0.1:53"
        assert specs["scoring"].environment["MAILWEIR_SCORING_DNS"] == "127.0.0.1:53"
        assert specs["scoring"].environment["MAILWEIR_SCORING_SPAMASSASSIN_CACHE_DIR"] == ""
        assert specs["reputation"].environment["MAILWEIR_REPUTATION_DNS"] == "127.0.0.1:53"

    def test_who_asks_the_edge_knows_where_it_is(self, tmp_path: Path) -> None:
        places = Places(tmp_path, tmp_path / "run")
        specs = plan.service_specs(options(tmp_path), places, plan.new_broker(4222))
        found = {spec.name: spec.environment for spec in specs}
        for name in ("reputation", "greylist", "ratelimit"):
            listens = found[name][f"MAILWEIR_{name.upper()}_LISTEN"]
            assert listens == f"unix:{tmp_path}/run/{name}.sock"
            for asking in ("ingress", "gateway"):
                assert found[asking][f"MAILWEIR_{asking.upper()}_{name.upper()}_TARGET"] == listens
        held = found["ratelimit"]["MAILWEIR_RATELIMIT_QUARANTINE_TARGET"]
        assert held == found["quarantine"]["MAILWEIR_QUARANTINE_LISTEN"]

    def test_rule_directories_come_with_a_cache_beside_the_data(self, tmp_path: Path) -> None:
        places = Places(tmp_path, tmp_path / "run")
        chosen = options(tmp_path, spamassassin=(Path("/a"), Path("/b")))
        specs = plan.service_specs(chosen, places, plan.new_broker(4222))
        (scoring,) = [s.environment for s in specs if s.name == "scoring"]
        assert scoring["MAILWEIR_SCORING_SPAMASSASSIN_DIR"] == "/a,/b"
        assert scoring["MAILWEIR_SCORING_SPAMASSASSIN_CACHE_DIR"] == str(
            tmp_path / "cache" / "spamassassin"
        )

    def test_the_nats_server_syncs_always_and_lets_nobody_else_in(self, tmp_path: Path) -> None:
        places = make_places(tmp_path)
        broker = plan.new_broker(4222)
        spec = plan.nats_spec(
            Path("/bin/nats-server"), broker, options(tmp_path, store_limit_bytes=5), places
        )
        config = Path(spec.command[-1])
        text = config.read_text()
        assert "sync_interval: always" in text
        assert f'authorization {{ token: "{broker.token}" }}' in text
        assert "max_file_store: 5" in text
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        assert plan.new_broker(4222).token != broker.token

    def test_what_runs_where_is_written_down(self, tmp_path: Path) -> None:
        document = json.loads(plan.state_document(options(tmp_path), os.getpid(), 4222))
        assert document["smtp"] == "127.0.0.1:0"
        assert document["pid"] == os.getpid()
