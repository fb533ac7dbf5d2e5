"""What cluster tests stand on, tried without one: the tool is a script that runs what it is given."""

import asyncio
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from mailweir_testkit.cluster import courier, tool
from mailweir_testkit.cluster.figures import Figures, start_to_ready
from mailweir_testkit.cluster.knock import heard
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.release import Release, merged
from mailweir_testkit.cluster.tool import Cluster, CommandFailed, source
from mailweir_testkit.cluster.values import PROXY, small
from mailweir_testkit.load import Plan
from mailweir_testkit.sink import Sink, sink

SCRIPT = """#!/bin/sh
case $1 in
  exec|outside) shift 2; exec "$@" ;;
  kubectl) shift; echo '{"items": [{"kind": "Pod"}]}' ;;
  fail) echo "no such thing" >&2; exit 3 ;;
  node) echo 'REF TYPE DIGEST SIZE'; echo 'docker.io/mailweir/a:test t d 12.5 MiB l'; echo 'b t d 1 B l' ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    program = tmp_path / "cluster"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    return Cluster(program, tmp_path)


def test_the_tool_is_found_by_its_variable(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLUSTER", str(cluster.program))
    assert tool.find(tmp_path / "elsewhere") == Cluster(cluster.program, tmp_path / "elsewhere")
    monkeypatch.setenv("CLUSTER", "missing/cluster")
    with pytest.raises(FileNotFoundError, match="set CLUSTER to its path"):
        tool.find(tmp_path)


def test_the_tool_s_answers_are_read(cluster: Cluster) -> None:
    assert cluster.objects("pods") == [{"kind": "Pod"}]
    assert cluster.inside("echo", "here") == "here\n"
    assert cluster.image_sizes() == {"mailweir/a:test": "12.5 MiB"}
    with pytest.raises(CommandFailed, match="exit 3\nno such thing"):
        cluster.run("fail")


def test_client_addresses_differ_and_are_hosts() -> None:
    found = [source(number) for number in range(32_000)]
    assert len(set(found)) == len(found)
    assert found[0] == "198.18.128.1"
    assert all(IPv4Address(address) in IPv4Network("198.18.128.0/17") for address in found)
    assert IPv4Address(PROXY)


def test_values_are_merged_as_helm_does() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merged(base, {"a": {"c": [9]}, "e": {}}) == {"a": {"b": 1, "c": [9]}, "d": 3, "e": {}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    values = small("test", "smtp://h:1")
    assert values["image"]["tag"] == "test"
    assert set(values["services"]) == set(tool.SERVICES)


def test_wanted_letters_are_the_same_each_time_and_no_two_alike() -> None:
    letters = wanted(60, 2000)
    assert [x.content for x in letters] == [x.content for x in wanted(60, 2000)]
    assert len({x.content for x in letters}) == 60
    assert len({x.sender for x in letters}) == 50
    assert all(2000 < len(x.content) < 2500 for x in letters)


async def test_a_courier_brings_letters_and_what_became_of_them(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with sink() as target:
        with courier.sending(cluster, plan(target), wanted(5), tmp_path) as sending:
            mails = await target.wait_for(5)
            sent = await asyncio.to_thread(sending.result)
    assert [fate.letter.name for fate in sent.fates] == [f"mail-{n}" for n in range(5)]
    assert all(fate.taken and fate.tries == 1 for fate in sent.fates)
    assert sorted(m.content or b"" for m in mails) == sorted(x.content for x in wanted(5))
    assert sent.troubles == {}


def plan(target: Sink) -> Plan:
    host, port = target.address
    return Plan(host, port, connections=3, give_up_seconds=10, sources=("127.0.0.5",))


def test_where_nobody_listens_the_letters_come_back(cluster: Cluster, tmp_path: Path) -> None:
    hopeless = Plan("127.0.0.1", 1, give_up_seconds=0.2)
    sent = courier.send(cluster, hopeless, wanted(1), tmp_path)
    assert not sent.fates[0].tries
    assert set(sent.troubles) == {"ConnectionRefusedError"}


@pytest.mark.integration
async def test_a_relay_leads_from_a_socket_to_an_address(cluster: Cluster, tmp_path: Path) -> None:
    release = Release(cluster, tmp_path, {}, tmp_path)
    async with sink() as target:
        host, port = target.address
        with release.socket(host, port) as path:
            assert await _greeting(path) == b"220 sink\r\n"
            assert await _greeting(path) == b"220 sink\r\n"


async def _greeting(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


async def test_a_knock_hears_all_until_the_end() -> None:
    async with sink() as target:
        said = b"EHLO a\r\nQUIT\r\n"
        replies = await asyncio.to_thread(heard, "127.0.0.9", *target.address, said)
    assert replies.startswith("220 sink\r\n")
    assert replies.endswith("221 2.0.0 bye\r\n")


def test_figures_are_tables() -> None:
    figures = Figures()
    figures.add("Sizes", ("a", "b"), [("x", 1)])
    figures.add("Sizes", ("a", "b"), [("x", 2)])
    assert str(figures) == "Sizes\n\n| a | b |\n| --- | --- |\n| x | 2 |"


def test_start_to_ready_counts_from_the_container_s_start() -> None:
    pod = {
        "status": {
            "containerStatuses": [{"state": {"running": {"startedAt": "2026-01-01T00:00:03Z"}}}],
            "conditions": [
                {"type": "Ready", "lastTransitionTime": "2026-01-01T00:00:10Z"},
                {"type": "PodScheduled", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ],
        }
    }
    assert start_to_ready(pod) == 7
