"""Names of home connections, and names that only look a little like them."""

from ipaddress import ip_address

import pytest
from hypothesis import given, strategies as st

from mailweir_reputation.policy.names.dynamic import looks_dynamic


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("dsl-203-0-113-7.pool.example.net", "203.0.113.7"),
        ("7.113.0.203.dynamic.isp.example.com", "203.0.113.7"),
        ("host-203-0-113-7.dhcp.example.net", "203.0.113.7"),
        ("ppp203-0-113-7.access.example.gr", "203.0.113.7"),
        ("p5cb00717.dip0.t-line.example", "92.176.7.23"),
        ("pool-113-7.bos.east.example.net", "203.0.113.7"),
        ("cpe-203-000-113-007.example.com", "203.0.113.7"),
        ("adsl-203000113007.example.net", "203.0.113.7"),
        ("ip-203-0-113-7.ftth.example.cz", "203.0.113.7"),
        ("cable-203-0-113-7.customers.example.be", "203.0.113.7"),
        ("2001-0db8-0000-0001-0000-0000-0000-00a7.dyn.example.net", "2001:db8:0:1::a7"),
    ],
)
def test_home_connections(name: str, address: str) -> None:
    assert looks_dynamic(name, ip_address(address))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("mail.example.org", "203.0.113.7"),
        ("mail-203-0-113-7.pool.example.com", "203.0.113.7"),
        ("203-0-113-7.static.dsl.example.net", "203.0.113.7"),
        ("static-dsl-203-0-113-7.example.net", "203.0.113.7"),
        ("ec2-203-0-113-7.compute-1.cloud.example", "203.0.113.7"),
        ("a113-7.smtp-out.eu-west-1.sends.example", "203.0.113.7"),
        ("mta-203-0-113-7.dynect.example", "203.0.113.7"),
        ("pool.example.org", "203.0.113.7"),
        ("dsl.example.org", "203.0.113.7"),
        ("out-12-34.pool.example.org", "203.0.113.7"),  # numbers of its own
        ("203-0-113-7.dyndns.example", "203.0.113.7"),
        ("vps-203-0-113-7.pool.example.net", "203.0.113.7"),
        ("7.113.0.203.dynamic.example", "198.51.100.4"),
        ("dynamic-203-0-113-7.co.uk", "203.0.113.7"),  # the owner's own name
        ("", "203.0.113.7"),
    ],
)
def test_others(name: str, address: str) -> None:
    assert not looks_dynamic(name, ip_address(address))


@given(st.text(max_size=300), st.ip_addresses())
def test_no_name_raises(name: str, address: object) -> None:
    looks_dynamic(name, ip_address(str(address)))
