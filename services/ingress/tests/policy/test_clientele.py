"""Whether clients have addresses of their own."""

from ipaddress import ip_address

import pytest

from mailweir_ingress.policy.clientele import FEW, MANY, Clientele, warning


def seen(clientele: Clientele, *clients: str, times: int = 1) -> list[bool]:
    """Return what was told while so many mails came, the clients taking turns."""
    told: list[bool] = []
    clientele.changed = lambda: told.append(clientele.masked)
    for _ in range(times):
        for client in clients:
            clientele.saw(ip_address(client))
    return told


def test_one_private_address_for_everybody_is_told_of_once() -> None:
    clientele = Clientele()

    assert seen(clientele, "10.0.0.1", times=MANY - 1) == []
    assert seen(clientele, "10.0.0.1", times=MANY) == [True]
    assert clientele.addresses == ("10.0.0.1",)


def test_a_single_public_client_clears_it() -> None:
    clientele = Clientele()
    seen(clientele, "10.0.0.1", "fd00::7", times=MANY)

    assert seen(clientele, "198.51.100.7") == [False]
    assert clientele.addresses == ()
    assert seen(clientele, "10.0.0.1", "198.51.100.7", times=MANY) == []


def test_a_network_of_many_machines_is_no_mask() -> None:
    clientele = Clientele()
    machines = [f"192.168.1.{n}" for n in range(FEW + 1)]

    assert seen(clientele, *machines, times=MANY) == []
    assert len(clientele.addresses) == FEW + 1


@pytest.mark.parametrize("client", ["127.0.0.1", "198.51.100.7", "2001:db8::1"])
def test_what_is_not_private_may_send_as_much_as_it_likes(client: str) -> None:
    assert seen(Clientele(), client, times=2 * MANY) == []


def test_nobody_is_nobody() -> None:
    clientele = Clientele()
    for _ in range(2 * MANY):
        clientele.saw(None)

    assert not clientele.masked


def test_the_warning_names_addresses_and_remedies() -> None:
    text = warning(("10.0.0.1", "10.0.0.2"))

    assert "10.0.0.1, 10.0.0.2" in text
    assert "relay.proxy_networks" in text
    assert "externalTrafficPolicy Local" in text
