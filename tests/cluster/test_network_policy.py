"""NetworkPolicies as they are enforced: what is declared is used, and nothing else goes through.

The declared edges are `talksTo` in the values of the release. The observed ones come from the connection
tracking of the node, which sees every packet between pods: what is open, and what is opened while mail takes
every way there is. What could be opened is tried from inside the pods.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from typing import Any, Final

import pytest

from mailweir_testkit.cluster import courier
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.release import OutsideSink, Release, eventually
from mailweir_testkit.cluster.tool import NODE, OUTSIDE_HOST, PYTHON, SERVICES, source
from mailweir_testkit.load import Plan

pytestmark = pytest.mark.timeout(900)

Edge = tuple[str, str]
"""Who opened a connection, and to whom: components, `mail` for a next hop, or an address with its port."""

PORTS: Final = {"nats": (4222, 6222, 8222), "gateway": (8080,), "ingress": (2525, 2587, 2465)}
"""Ports beside 9000 and 9100 that a component's pods listen on, or could."""
OPEN_TO_ALL: Final = frozenset({("ingress", 2525), ("ingress", 2587), ("ingress", 2465)})
CONDITIONAL: Final = {
    "resolvers": lambda values: bool(values["dns"]["servers"]),
    "clamd": lambda values: bool(values["antivirus"]["clamd"]),
    "sql": lambda values: bool(values["sql"]["existingSecret"]),
}
"""Peers that are declared only where another value names them."""
SECRET: Final = "mx-tls"
OVER: Final = "over-outbound-limit"
LOGIN, PASSWORD = "anna@example.com", "correct horse battery"
_TUPLE: Final = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")
TRY: Final = """
import concurrent.futures, json, socket, sys
def tried(place):
    try:
        socket.create_connection(tuple(place), 2.0).close()
    except ConnectionRefusedError:
        pass  # it got there
    except OSError:
        return None
    return place
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    print(json.dumps([p for p in pool.map(tried, json.loads(sys.argv[1])) if p]))
"""
SUBMIT: Final = """
import smtplib, ssl, sys
host, login, password, name, count = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with smtplib.SMTP(host, 587, timeout=30) as client:
    client.starttls(context=context)
    client.login(login, password)
    for number in range(int(count)):
        text = f"From: {login}\\r\\nTo: x@else.example\\r\\nSubject: {name}-{number}\\r\\n\\r\\nHello\\r\\n"
        client.sendmail(login, ["x@else.example"], text)
"""


@dataclass(frozen=True, slots=True)
class Pods:
    """Whose address is whose."""

    by_address: dict[str, str]

    @staticmethod
    def of(release: Release) -> "Pods":
        found = {}
        for pod in release.pods():
            component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            found[pod["status"].get("podIP", "")] = component
        return Pods(found)

    def name(self, address: str, port: str) -> str:
        """Return a component, `mail` for a next hop, else the address with its port."""
        if address in self.by_address:
            return self.by_address[address]
        return "mail" if address == OUTSIDE_HOST else f"{address}:{port}"

    def targets(self) -> list[tuple[str, int]]:
        """Return every address and port of ours that somebody might try, and some that are not ours."""
        ours = [
            (address, port)
            for address, component in self.by_address.items()
            for port in (9000, 9100, *PORTS.get(component, ()))
        ]
        return [*ours, (NODE, 6443), (OUTSIDE_HOST, 1)]


def values_of(release: Release) -> dict[str, Any]:
    text = release.cluster.helm("get", "values", release.name, "-a", "-o", "json")
    found: dict[str, Any] = json.loads(text)
    return found


def declared(release: Release) -> set[Edge]:
    """Return what `talksTo` declares, without what other values leave out."""
    values = values_of(release)
    return {
        (service, peer)
        for service, own in values["services"].items()
        for peer in own.get("talksTo", values["serviceDefaults"]["talksTo"])
        if CONDITIONAL.get(peer, lambda _: True)(values)
    }


def edges(lines: list[str], pods: Pods) -> set[Edge]:
    """Return who opened a connection to whom, of lines of connection tracking; DNS is left out.

    The second tuple of a line is the answer's way: there a Service's address has become the pod's.
    """
    found = set()
    for line in lines:
        tuples = _TUPLE.findall(line)
        if len(tuples) != 2:
            continue
        (client, _, _, _), (server, _, port, _) = tuples
        if client in pods.by_address and port != "53":
            found.add((pods.by_address[client], pods.name(server, port)))
    return found


def open_now(release: Release) -> list[str]:
    """Return connection tracking's lines of what is open."""
    found = release.cluster.run(
        "node", "--", "conntrack", "-L", "-p", "tcp", "--state", "ESTABLISHED"
    )
    return found.splitlines()


@pytest.fixture(scope="module")
def submitting(release: Release, files: Path) -> Iterator[Release]:
    """The release with TLS and submission, for which there is a certificate that nobody vouches for."""
    key, certificate = files / "mx.key", files / "mx.crt"
    request = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", "/CN=mx.example.com", "-days", "2")
    run(
        ["openssl", "req", *request, *names, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    release.kubectl("delete", "secret", SECRET, "--ignore-not-found")
    release.kubectl("create", "secret", "tls", SECRET, f"--cert={certificate}", f"--key={key}")
    changes = {"smtp": {"tls": {"secretName": SECRET}, "submission": {"enabled": True}}}
    try:
        with release.changed(changes):
            yield release
    finally:
        release.kubectl("delete", "secret", SECRET, "--ignore-not-found")


def submit(release: Release, name: str, count: int) -> None:
    """Have a user of ours send mail to another domain."""
    host = release.balancer("submission")
    arguments = (host, LOGIN, PASSWORD, name, str(count))
    release.cluster.outside(PYTHON, "-c", SUBMIT, *arguments, seconds=90)


def every_way(release: Release, hop: OutsideSink, files: Path) -> None:
    """Send mail in by both doors, have some held over a limit and let out, and ask REST about all."""
    with release.api() as client:
        before = client.get("/config").raise_for_status().json()
        policy = json.loads(json.dumps(before))
        policy["relay"]["domains"] = [{"name": "example.com", "recipients": "callout"}]
        policy["ratelimit"]["outbound"]["default_user"]["messages"] = 1
        policy["greylist"] |= {"mode": "sender-ip", "delay_seconds": 1.0}
        client.put("/config", json=policy).raise_for_status()
        client.put(f"/users/{LOGIN}", json={"password": PASSWORD, "senders": [LOGIN]})
        try:
            plan = Plan(release.mx, 25, connections=4, sources=tuple(source(n) for n in range(20)))
            for fate in courier.send(release.cluster, plan, wanted(20, name="ways"), files).fates:
                assert fate.taken, fate.reply
                hop.wait_for(lambda m, ref=fate.ref: m.ref == ref)  # type: ignore[misc]
            submit(release, "over", 2)
            eventually(lambda: OVER in reasons(client), 60, "a message over its limit")
            policy["ratelimit"]["outbound"]["default_user"]["messages"] = 100
            client.put("/config", json=policy).raise_for_status()
            eventually(lambda: not held(client), 60, "what was held is let out")
            for path in ("/messages", "/dnslists", "/greylist", "/bans", "/limits", "/services"):
                assert client.get(path).status_code in (200, 404), path
        finally:
            client.put("/config", json=before).raise_for_status()
            client.delete(f"/users/{LOGIN}")


def reasons(client: Any) -> set[str]:
    page = client.get("/messages", params={"limit": "100"}).json()
    return {item["reason"] for item in page["items"]}


def held(client: Any) -> list[str]:
    page = client.get("/messages", params={"state": "held"}).json()
    return [i["id"] for i in page["items"] if i["reason"] == OVER]


def test_every_declared_edge_is_used_and_no_other(
    submitting: Release, hop: OutsideSink, files: Path
) -> None:
    log = files / "conntrack.log"
    command = ("conntrack", "-E", "-e", "NEW", "-p", "tcp")
    with submitting.cluster.process("node", *command, log=log):
        every_way(submitting, hop, files)
        time.sleep(2)
        observed = edges(
            [*log.read_text().splitlines(), *open_now(submitting)], Pods.of(submitting)
        )
    wanted_edges = declared(submitting)
    assert observed == wanted_edges


def allowed(release: Release, component: str, pods: Pods, hop: OutsideSink) -> set[tuple[str, int]]:
    """Return what a component's pods may reach, of the targets and the next hop."""
    peers = {peer for service, peer in declared(release) if service == component}
    found = {
        (address, 4222 if name == "nats" else 9000)
        for address, name in pods.by_address.items()
        if name in peers
    }
    return found | ({(OUTSIDE_HOST, hop.port)} if "mail" in peers else set())


def reached(release: Release, pod: str, targets: list[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return which of the targets a pod can connect to."""
    said = release.kubectl("exec", pod, "--", "python", "-c", TRY, json.dumps(targets))
    return {(address, port) for address, port in json.loads(said)}


@pytest.mark.parametrize("component", SERVICES)
def test_a_pod_reaches_what_it_talks_to_and_nothing_else(
    submitting: Release, hop: OutsideSink, component: str
) -> None:
    pods = Pods.of(submitting)
    mine = {p["status"]["podIP"] for p in submitting.pods(component)}
    targets = [t for t in (*pods.targets(), (OUTSIDE_HOST, hop.port)) if t[0] not in mine]
    (pod, *_) = submitting.pods(component)
    found = reached(submitting, pod["metadata"]["name"], targets)
    assert found == allowed(submitting, component, pods, hop)


def test_a_stranger_in_the_cluster_reaches_the_mail_ports_alone(
    submitting: Release, images: str
) -> None:
    """A pod that is not of the release can send mail, as anybody can, and nothing else."""
    container = {
        "name": "stranger",
        "image": f"mailweir/greylist:{images}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", "import time; time.sleep(900)"],
    }
    submitting.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stranger", "namespace": submitting.namespace},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
    )
    try:
        submitting.kubectl("wait", "--for=condition=Ready", "pod/stranger", "--timeout=60s")
        time.sleep(2)  # a new pod's address is known to the policies a second after its start
        pods = Pods.of(submitting)
        targets = [t for t in pods.targets() if t[0] in pods.by_address]
        found = reached(submitting, "stranger", targets)
        assert {(pods.by_address[a], port) for a, port in found} == OPEN_TO_ALL
    finally:
        submitting.kubectl("delete", "pod", "stranger", "--ignore-not-found", "--now")
