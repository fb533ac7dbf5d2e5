"""Who calls: whatever a proxy says, it is never judged for it."""

import struct

from hypothesis import given, strategies as st

from mailweir_core.decision import Decision
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.rules import compile_rules
from mailweir_ingress.smtp.guest import Caller
from mailweir_ingress.smtp.introduction import Peer, introduced, introduced_by, nobody
from mailweir_ingress.smtp.proxy import SIGNATURE
from mailweir_policy import policy_from

RULES = compile_rules(
    policy_from({"relay": {"proxy_networks": ["10.0.0.0/24", "2001:db8:ffff::/64"]}}), "v.1"
)
BALANCER = Peer.of(Listener.MX, ("10.0.0.1", 4321))
ADDRESSES = st.one_of(
    st.ip_addresses(), st.sampled_from(["10.0.0.1", "10.0.0.9", "::ffff:10.0.0.9", "127.0.0.1", ""])
)
LINES = st.builds(
    lambda kind, a, b, p, q: f"PROXY {kind} {a} {b} {p} {q}\r\n".encode(),
    st.sampled_from(["TCP4", "TCP6", "UNKNOWN", "UDP4", ""]),
    ADDRESSES,
    ADDRESSES,
    st.integers(-1, 70_000),
    st.integers(0, 65_535),
)
BLOCKS = st.builds(
    lambda command, family, block: (
        SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block
    ),
    st.sampled_from([0x20, 0x21, 0x22, 0x11]),
    st.sampled_from([0x00, 0x11, 0x12, 0x21, 0x31]),
    st.binary(max_size=60),
)
SAID = st.one_of(LINES, BLOCKS, st.binary(max_size=120), LINES.map(lambda line: line[:-3]))


@given(SAID, st.binary(max_size=20))
def test_a_balancer_is_never_the_client_that_is_judged(said: bytes, behind: bytes) -> None:
    came = bytearray(said + behind)
    found = introduced_by(BALANCER, came, RULES)
    if isinstance(found, Caller):
        assert (said + behind).endswith(bytes(came))
        if found.own:
            assert (found.ip, found.proxy_ip) == ("10.0.0.1", "")
        else:
            assert found.client not in RULES.proxies
            assert found.proxy_ip == "10.0.0.1"
    elif isinstance(found, Decision):
        assert found.reason is Reason.BAD_PROXY
        who = nobody(BALANCER)
        assert (who.client, who.ip, who.proxy_ip) == (None, "", "10.0.0.1")


@given(st.ip_addresses())
def test_a_peer_that_is_no_proxy_speaks_for_itself_or_not_at_all(address: object) -> None:
    peer = Peer.of(Listener.MX, (str(address), 1))
    found = introduced(peer, RULES)
    if isinstance(found, Caller):
        assert (found.client, found.proxy_ip, found.own) == (peer.address, "", False)
    elif found is None:
        assert peer.address in RULES.proxies
    else:
        assert found.reason is Reason.BAD_PROXY


def test_an_ipv6_client_counts_as_its_subscriber() -> None:
    found = introduced(Peer.of(Listener.MX, ("2001:db8:1:2:3::4", 1)), RULES)
    assert isinstance(found, Caller)
    assert (found.ip, found.key) == ("2001:db8:1:2:3::4", "2001:db8:1:2::/64")
