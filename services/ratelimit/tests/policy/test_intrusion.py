"""What an offence counts for: a table for every rule, and that who is protected is spared."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from mailweir_core.bans import MAX_EVIDENCE, OffenceKind
from mailweir_core.net import Address, Network
from mailweir_policy import Policy
from mailweir_policy.document import policy_from
from mailweir_policy.ratelimit import IntrusionPolicy
from mailweir_ratelimit.policy.intrusion import Charge, Offence, Spared, login_charge, weigh
from mailweir_ratelimit.policy.protected import Protected, protect
from mailweir_ratelimit.policy.tally import MAX_COUNT, Window

POLICY = IntrusionPolicy()
NOBODY = protect(Policy())
CLIENT = "198.51.100.7"
COUNTING = [kind for kind in OffenceKind if kind not in (OffenceKind.MANUAL, OffenceKind.LISTED)]


def weighed(offence: Offence, policy: IntrusionPolicy = POLICY, by: Protected = NOBODY) -> Charge:
    found = weigh(offence, policy, by)
    assert isinstance(found, Charge), found
    return found


@pytest.mark.parametrize(
    ("kind", "measure", "count", "seconds"),
    [
        (OffenceKind.CONNECTIONS, 0, 240, 60),
        (OffenceKind.LOGIN, 0, 10, 600),
        (OffenceKind.UNKNOWN_USER, 0, 5, 3600),
        (OffenceKind.RELAY, 0, 5, 3600),
        (OffenceKind.RESET, 0, 20, 600),
        (OffenceKind.SCORE, 20, 1, 86_400),
        (OffenceKind.SIZE, 104_857_600, 1, 86_400),
        (OffenceKind.TRAP, 0, 1, 86_400),
        (OffenceKind.CONTENT, 0, 1, 86_400),
    ],
)
def test_each_rule_counts_as_it_says(
    kind: OffenceKind, measure: float, count: int, seconds: float
) -> None:
    charge = weighed(Offence(kind, CLIENT, measure=measure))
    assert charge.window == Window(count, seconds)
    assert charge.subject == "198.51.100.7/32"
    assert charge.count == 1


@pytest.mark.parametrize(
    ("kind", "measure"),
    [
        (OffenceKind.SCORE, 19.99),
        (OffenceKind.SCORE, float("nan")),
        (OffenceKind.SIZE, 104_857_599),
        (OffenceKind.SIZE, -1),
    ],
)
def test_what_measures_less_does_not_count(kind: OffenceKind, measure: float) -> None:
    assert weigh(Offence(kind, CLIENT, measure=measure), POLICY, NOBODY) is Spared.BELOW


def test_listings_and_bans_by_hand_do_not_count() -> None:
    for kind in (OffenceKind.LISTED, OffenceKind.MANUAL):
        assert weigh(Offence(kind, CLIENT), POLICY, NOBODY) is Spared.OFF


def test_listings_count_where_the_policy_wants_it() -> None:
    policy = policy_from({"ratelimit": {"intrusion": {"rules": {"listed": {"enabled": True}}}}})
    charge = weighed(Offence(OffenceKind.LISTED, CLIENT), policy.ratelimit.intrusion)
    assert charge.window.count == 1


@pytest.mark.parametrize("kind", COUNTING)
def test_nothing_counts_where_all_is_off(kind: OffenceKind) -> None:
    offence = Offence(kind, CLIENT, measure=1e9)
    assert weigh(offence, IntrusionPolicy(enabled=False), NOBODY) is Spared.OFF


@pytest.mark.parametrize(
    ("client", "subject"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("2001:db8:1:2:a::5", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_client_is_its_whole_64(client: str, subject: str) -> None:
    assert weighed(Offence(OffenceKind.TRAP, client)).subject == subject


@pytest.mark.parametrize("client", ["", "unknown", "1.2.3", "host.example.net", "\x00"])
def test_a_client_that_nobody_knows_is_spared(client: str) -> None:
    assert weigh(Offence(OffenceKind.TRAP, client), POLICY, NOBODY) is Spared.UNKNOWN


class TestLoggedIn:
    @pytest.mark.parametrize("kind", [OffenceKind.CONNECTIONS, OffenceKind.RESET])
    def test_connections_and_resets_count_for_everybody(self, kind: OffenceKind) -> None:
        assert weighed(Offence(kind, CLIENT, login="bob@example.com")).subject == f"{CLIENT}/32"

    @pytest.mark.parametrize(
        "kind", [k for k in COUNTING if k not in ("connections", "reset", "login")]
    )
    def test_the_rest_does_not_count_for_who_has_logged_in(self, kind: OffenceKind) -> None:
        offence = Offence(kind, CLIENT, login="bob@example.com", measure=1e9)
        assert weigh(offence, POLICY, NOBODY) is Spared.LOGGED_IN

    def test_a_failed_login_counts_and_pauses_the_name_from_there(self) -> None:
        charge = weighed(Offence(OffenceKind.LOGIN, CLIENT, login="Bob@example.com"))
        pause = login_charge(charge, POLICY)
        assert pause is not None
        assert pause.subject == "account:bob@example.com from 198.51.100.7/32"
        assert pause.window == Window(5, 600)

    def test_no_pause_without_a_name_of_other_kinds_or_switched_off(self) -> None:
        assert login_charge(weighed(Offence(OffenceKind.LOGIN, CLIENT)), POLICY) is None
        assert login_charge(weighed(Offence(OffenceKind.TRAP, CLIENT)), POLICY) is None
        off = policy_from({"ratelimit": {"intrusion": {"login_pause": {"enabled": False}}}})
        tried = weighed(Offence(OffenceKind.LOGIN, CLIENT, login="bob"))
        assert login_charge(tried, off.ratelimit.intrusion) is None


def behind_proxies(**relay: object) -> Policy:
    return policy_from({"relay": {"proxy_networks": ["203.0.113.0/28", "10.0.0.0/24"], **relay}})


class TestSpared:
    @pytest.mark.parametrize("kind", COUNTING)
    @pytest.mark.parametrize(
        ("client", "proxy", "cause"),
        [
            ("203.0.113.5", "", Spared.PROXY),  # a balancer that forgot its header
            ("203.0.113.5", "203.0.113.5", Spared.PROXY),  # its own connection
            ("198.18.0.1", "198.18.0.1", Spared.PROXY),  # whoever is said to be both
            ("10.0.0.9", "", Spared.PROXY),
            ("10.77.0.9", "", Spared.INTERNAL),  # a node that hides the client
            ("172.16.3.4", "203.0.113.5", Spared.INTERNAL),
            ("192.0.2.1", "203.0.113.5", Spared.TRUSTED),
            ("127.0.0.1", "", Spared.NEVER),
            ("::ffff:127.0.0.1", "", Spared.NEVER),
            ("198.51.100.200", "203.0.113.5", Spared.ALLOWED),
        ],
    )
    def test_who_is_protected_is_spared_whatever_it_did(
        self, kind: OffenceKind, client: str, proxy: str, cause: Spared
    ) -> None:
        policy = behind_proxies(trusted_networks=["192.0.2.0/24"])
        by = protect(policy, (ip_network("198.51.100.200/32"),))
        offence = Offence(kind, client, proxy, measure=1e9, count=10**6)
        assert weigh(offence, policy.ratelimit.intrusion, by) is cause

    def test_who_an_allow_list_knows_by_name_is_spared(self) -> None:
        offence = Offence(OffenceKind.TRAP, CLIENT, allowed=True)
        assert weigh(offence, POLICY, NOBODY) is Spared.ALLOWED

    def test_a_client_behind_the_proxy_is_not(self) -> None:
        policy = behind_proxies()
        offence = Offence(OffenceKind.TRAP, CLIENT, "203.0.113.5")
        assert weighed(offence, policy.ratelimit.intrusion, protect(policy)).subject == (
            "198.51.100.7/32"
        )

    def test_beside_somebody_protected_only_the_address_is_banned(self) -> None:
        policy = behind_proxies(trusted_networks=["2001:db8::25/128"])
        offence = Offence(OffenceKind.TRAP, "2001:db8::bad")
        charge = weighed(offence, policy.ratelimit.intrusion, protect(policy))
        assert charge.subject == "2001:db8::bad/128"


def test_what_a_client_says_is_cleaned() -> None:
    offence = Offence(
        OffenceKind.UNKNOWN_USER, CLIENT, ref="r\n" * 99, evidence="x\r\ny" + "z" * 999, count=-1
    )
    charge = weighed(offence)
    assert charge.sample.startswith("x??yzz")
    assert len(charge.sample) <= MAX_EVIDENCE
    assert charge.ref.isprintable()
    assert charge.count == 0
    assert weighed(replace(offence, count=10**30)).count == MAX_COUNT


def test_a_measure_is_evidence_where_there_is_no_other() -> None:
    assert weighed(Offence(OffenceKind.SCORE, CLIENT, measure=23.5)).sample == "23.5"
    assert weighed(Offence(OffenceKind.TRAP, CLIENT)).sample == ""


addresses = st.integers(0xC6336400, 0xC63364FF).map(ip_address) | st.integers(
    0x20010DB8 << 96, (0x20010DB8 << 96) + (3 << 64)
).map(ip_address)


def _net(address: Address, prefix: int) -> Network:
    bits = prefix if address.version == 4 else prefix + 80
    return ip_network((address, bits), strict=False)


shielded = st.lists(st.builds(_net, addresses, st.integers(24, 32)), max_size=6)


@given(
    st.sampled_from(OffenceKind), addresses, st.none() | addresses, shielded, shielded, shielded,
    st.integers(1, 10**6), st.text(max_size=20),
)  # fmt: skip
def test_no_protected_network_is_ever_charged(
    kind: OffenceKind, client: Address, proxy: Address | None, proxies: list[Network],
    trusted: list[Network], allowed: list[Network], count: int, login: str,
) -> None:  # fmt: skip
    document = {
        "relay": {
            "proxy_networks": list(map(str, proxies)),
            "trusted_networks": list(map(str, trusted)),
        }
    }
    policy = policy_from(document)
    by = protect(policy, allowed)
    offence = Offence(kind, str(client), str(proxy or ""), login, count=count, measure=1e12)
    found = weigh(offence, policy.ratelimit.intrusion, by)
    if isinstance(found, Charge):
        subject = ip_network(found.subject)
        assert client in subject
        assert client != proxy
        assert not any(
            net.overlaps(subject)
            for net in [*proxies, *trusted, *allowed]
            if net.version == subject.version
        )
