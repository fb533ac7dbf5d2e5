"""Which hosts take a domain's mail."""

import pytest

from mailweir_delivery.policy.mx import (
    MAX_EXCHANGERS,
    Exchanger,
    Exchangers,
    LookupFailed,
    MxAnswer,
    NoDomain,
    NullMx,
    candidates,
    literal_address,
)
from mailweir_delivery.policy.replies import Ending, Verdict
from mailweir_delivery.policy.routing import Hop, MxOf

OWN = "gateway.example"
FAR = MxOf("far.example", 2525)


def hosts(*listed: tuple[int, str, tuple[str, ...]], incomplete: bool = False) -> Exchangers:
    return Exchangers(tuple(Exchanger(p, n, a) for p, n, a in listed), incomplete)


def order(answer: MxAnswer, ref: str = "ref") -> list[tuple[str, str, int]]:
    found = candidates(FAR, answer, OWN, ref)
    assert isinstance(found, tuple)
    assert all(isinstance(hop, Hop) for hop in found)
    return [(hop.host, hop.address, hop.port) for hop in found]


def reason(answer: MxAnswer) -> tuple[Verdict, str]:
    found = candidates(FAR, answer, OWN, "ref")
    assert isinstance(found, Ending)
    return found.verdict, found.enhanced


def test_the_most_preferred_host_comes_first_with_all_its_addresses() -> None:
    answer = hosts((20, "b", ("192.0.2.2",)), (10, "a", ("192.0.2.1", "2001:db8::1")))
    assert order(answer) == [
        ("a", "192.0.2.1", 2525),
        ("a", "2001:db8::1", 2525),
        ("b", "192.0.2.2", 2525),
    ]


def test_hosts_of_equal_preference_share_the_mail() -> None:
    answer = hosts(*((10, name, ("192.0.2.1",)) for name in "abcd"))
    firsts = {order(answer, f"ref-{n}")[0][0] for n in range(60)}
    assert firsts == set("abcd")
    assert order(answer, "same") == order(answer, "same")


@pytest.mark.parametrize("own", ["gateway.example", "GATEWAY.example"])
def test_hosts_that_are_no_better_than_ourselves_are_left_out(own: str) -> None:
    answer = hosts(
        (10, "primary", ("192.0.2.1",)), (20, own, ("192.0.2.2",)), (20, "peer", ("192.0.2.3",)),
        (30, "last", ("192.0.2.4",)),
    )  # fmt: skip
    assert order(answer) == [("primary", "192.0.2.1", 2525)]


def test_a_loop_is_a_failure() -> None:
    assert reason(hosts((10, OWN, ("192.0.2.2",)), (20, "b", ("192.0.2.3",)))) == (
        Verdict.FAILED,
        "5.4.6",
    )


@pytest.mark.parametrize(
    ("answer", "verdict", "enhanced"),
    [
        (NullMx(), Verdict.FAILED, "5.1.10"),
        (NoDomain(), Verdict.FAILED, "5.1.2"),
        (LookupFailed("timeout"), Verdict.DEFERRED, "4.4.3"),
        (hosts((10, "a", ())), Verdict.FAILED, "5.4.4"),
        (hosts((10, "a", ()), incomplete=True), Verdict.DEFERRED, "4.4.3"),
        (Exchangers(()), Verdict.FAILED, "5.4.4"),
    ],
)
def test_there_is_nobody_to_ask(answer: MxAnswer, verdict: Verdict, enhanced: str) -> None:
    assert reason(answer) == (verdict, enhanced)


def test_a_host_that_could_not_be_looked_up_does_not_hide_the_others() -> None:
    answer = hosts((10, "a", ()), (20, "b", ("192.0.2.2",)), incomplete=True)
    assert order(answer) == [("b", "192.0.2.2", 2525)]


def test_a_long_list_is_cut() -> None:
    answer = hosts(*((n, f"h{n}", ("192.0.2.1",)) for n in range(100)))
    assert len(order(answer)) == MAX_EXCHANGERS


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("[ipv6:2001:DB8::1]", "2001:db8::1"),
        ("[nonsense]", None),
        ("far.example", None),
        ("[192.0.2.1", None),
    ],
)
def test_domain_literals(domain: str, address: str | None) -> None:
    assert literal_address(domain) == address
