"""What `helm test` runs in a pod: health of every service, a mail over port 25, its record over REST.

It needs nothing but the gateway's image. Settings come from the variables that tests/gateway-test.yaml sets.
Each step prints a line; the first that fails ends it with 1.
"""

import json
import os
import re
import smtplib
import socket
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The line that every spam filter takes for spam, so the mail is refused and goes to nobody."""
CALL_SECONDS = 10.0
BANNER_SECONDS = 60.0
"""A client that nobody knows waits some seconds for the banner."""
RECORD_SECONDS = 60.0
BAN_SECONDS = 5.0
CLAIMED = "192.0.2.25"
"""Who we say to be in a PROXY header, where this pod is among the proxies."""


class Failed(Exception):
    """A step that did not come out as it should; the message is for whoever installs."""


def main(env: dict[str, str]) -> int:
    """Run all steps; returns the exit code."""
    steps = (
        healthy, refused_without_key, services_report, start_without_ban, mail_is_judged, leave_no_ban,
    )  # fmt: skip
    for step in steps:
        try:
            said = step(env)
        except (Failed, OSError, grpc.RpcError, smtplib.SMTPException) as error:
            print(f"FAILED {step.__name__}: {error}", flush=True)
            return 1
        print(f"ok {step.__name__}: {said}", flush=True)
    return 0


def healthy(env: dict[str, str]) -> str:
    """Ask every service over gRPC whether it is ready."""
    targets = env["TARGETS"].split(",")
    for target in targets:
        with grpc.insecure_channel(target) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service="readiness"),
                timeout=CALL_SECONDS,
                wait_for_ready=True,
            )
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise Failed(f"{target} is not ready")
    return f"{len(targets)} services are ready"


def refused_without_key(env: dict[str, str]) -> str:
    """See that REST wants a key."""
    try:
        get(env, "/api/v1/services", key="")
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return "REST wants a key"
        raise
    raise Failed("REST answers without a key")


def services_report(env: dict[str, str]) -> str:
    """See that every service says over the bus that it runs."""
    wanted = set(env["SERVICES"].split(","))
    down: set[str] = set()
    for _ in tries(RECORD_SECONDS):
        shown = get(env, "/api/v1/services")
        down = wanted - {s["name"] for s in shown if s["state"] in ("ready", "degraded")}
        if not down:
            return f"{len(shown)} processes report"
    raise Failed(f"not running: {', '.join(sorted(down))}")


def mail_is_judged(env: dict[str, str]) -> str:
    """Send the mail, then look at its record: refused as spam, and from the address that is ours."""
    domain = get(env, "/api/v1/config")["relay"]["domains"][0]["name"]
    sender = f"helm-test-{uuid.uuid4().hex}@example.net"
    reply = send(env, sender, f"postmaster@{domain}")
    record = find(env, sender)
    if record["reason"] != "gtube":
        raise Failed(f"the mail was not refused as GTUBE: {reply}; reason {record['reason']}")
    client = ip_address(record["client_ip"])
    if client != ip_address(expected_client(env)):
        raise Failed(
            f"the ingress saw {client}, not {expected_client(env)}: something between rewrites clients'"
            " addresses, so every check of clients would be wrong"
        )
    return f"refused as GTUBE, seen as {client}; {reply}"


def start_without_ban(env: dict[str, str]) -> str:
    """Lift the ban that a pod of an earlier test may have left on the address that is ours now."""
    return "a ban of this address was lifted" if lift_ban(env) else "this address is not banned"


def leave_no_ban(env: dict[str, str]) -> str:
    """Lift the ban that the mail has brought us: another pod may get this address."""
    for _ in tries(BAN_SECONDS):
        if lift_ban(env):
            return "the ban for this mail was lifted"
    return "the mail brought no ban"


def lift_ban(env: dict[str, str]) -> bool:
    """Lift the ban of our address; returns whether there was one."""
    client = ip_address(expected_client(env))
    banned = ip_network((client, 32 if client.version == 4 else 64), strict=False)
    try:
        call(env, f"/api/v1/bans/{banned}", method="DELETE")
    except urllib.error.HTTPError as error:
        if error.code in (404, 503):  # no such ban; nobody who counts
            return False
        raise
    return True


def send(env: dict[str, str], sender: str, recipient: str) -> str:
    """Send the GTUBE mail; returns the reply that refused it."""
    client = smtplib.SMTP(timeout=BANNER_SECONDS)
    # smtplib connects and reads the banner in one; a PROXY header goes in between
    client._get_socket = connect(proxied(env))  # type: ignore[attr-defined]
    client.connect(env["MX_HOST"], int(env["MX_PORT"]))
    with client:
        client.ehlo(f"[{env['POD_IP']}]")
        body = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: helm test\r\n\r\n{GTUBE}\r\n"
        try:
            client.sendmail(sender, [recipient], body)
        except smtplib.SMTPDataError as error:
            return f"{error.smtp_code} {text(error.smtp_error)}"
        except smtplib.SMTPRecipientsRefused as error:
            raise Failed(f"the recipient was refused: {error.recipients}") from error
    raise Failed("the GTUBE mail was taken")


def connect(header: bytes) -> Any:
    """Return what opens smtplib's connection, and says `header` first."""

    def opened(host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), timeout)
        sock.sendall(header)
        return sock

    return opened


def proxied(env: dict[str, str]) -> bytes:
    """Return a PROXY v2 header where this pod is among those that must send one."""
    if expected_client(env) == env["POD_IP"]:
        return b""
    addresses = socket.inet_aton(CLAIMED) + socket.inet_aton("192.0.2.1")
    ports = (40_000).to_bytes(2, "big") + (25).to_bytes(2, "big")
    return b"\r\n\r\n\x00\r\nQUIT\n" + b"\x21\x11\x00\x0c" + addresses + ports


def expected_client(env: dict[str, str]) -> str:
    """Return the address that the record must show."""
    own = ip_address(env["POD_IP"])
    sources = [ip_network(s, strict=False) for s in env["PROXY_SOURCES"].split(",") if s]
    return CLAIMED if any(own in source for source in sources) else env["POD_IP"]


def find(env: dict[str, str], sender: str) -> dict[str, Any]:
    """Return the record of the mail, which comes over the bus."""
    for _ in tries(RECORD_SECONDS):
        found = get(env, f"/api/v1/messages?sender={sender}")["items"]
        if found:
            record: dict[str, Any] = get(env, f"/api/v1/messages/{found[0]['id']}")
            return record
    raise Failed(f"no record of the mail of {sender} after {RECORD_SECONDS:g} s")


def get(env: dict[str, str], path: str, key: str | None = None) -> Any:
    """Return what REST answers."""
    return json.loads(call(env, path, key=key))


def call(env: dict[str, str], path: str, *, key: str | None = None, method: str = "GET") -> bytes:
    """Call REST; raises HTTPError for what is refused."""
    secret = Path(env["KEY_FILE"]).read_text("ascii").strip() if key is None else key
    request = urllib.request.Request(
        f"http://{env['API']}{path}",
        headers={"Authorization": f"Bearer {secret}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310 - the chart's
        body: bytes = answer.read()
    return body


def tries(seconds: float) -> Iterator[None]:
    """Yield now and each second while there is time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(1)


def text(said: bytes | str) -> str:
    """Return a reply as one line."""
    return re.sub(r"\s+", " ", said.decode("utf-8", "replace") if isinstance(said, bytes) else said)


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
