"""What listings come to, and what lists that are still out may change."""

from itertools import combinations

from hypothesis import given, settings, strategies as st

from mailweir_policy.reputation import EdgeZone, ReputationPolicy
from mailweir_reputation.policy.lists.opinion import (
    Listing,
    Standing,
    listings_of,
    total,
    weigh,
    weightiest,
)

POLICY = ReputationPolicy(reject_score=6.0, allow_score=-1.0)


def zone(name: str, score: float = 4.0, **more: object) -> EdgeZone:
    return EdgeZone.model_validate(
        {
            "name": name,
            "zone": f"{name}.example",
            "kinds": {"ip4"},
            "checks": {"client"},
            "score": score,
            **more,
        }
    )


def hit(made: EdgeZone) -> Listing:
    return Listing(made, "192.0.2.1", made.score)


def test_the_weightiest_of_a_provider_counts() -> None:
    three = [hit(zone("a", 3, provider="p")), hit(zone("b", -5, provider="p")), hit(zone("c", 1))]
    assert total(three) == -4.0
    assert {listing.zone.name for listing in weightiest(three).values()} == {"b", "c"}


def test_refusing_needs_score_and_agreement() -> None:
    a, b = hit(zone("a", 7)), hit(zone("b", 0.5))
    assert weigh([a], (), POLICY) is Standing.NEITHER
    assert weigh([a, b], (), POLICY) is Standing.REFUSED
    assert weigh([hit(zone("p", 7, policy_list=True))], (), POLICY) is Standing.REFUSED
    assert weigh([hit(zone("p", 5, policy_list=True))], (), POLICY) is Standing.NEITHER
    assert weigh([hit(zone("w", -1))], (), POLICY) is Standing.SPARED


def test_what_is_out_may_change_it() -> None:
    refused = [hit(zone("a", 5)), hit(zone("b", 3))]
    assert weigh(refused, [zone("c", 9)], POLICY) is Standing.REFUSED
    assert weigh(refused, [zone("w", -1)], POLICY) is Standing.REFUSED
    assert weigh(refused, [zone("w", -3)], POLICY) is Standing.OPEN
    assert weigh([hit(zone("a", 5))], [zone("b", 3)], POLICY) is Standing.OPEN
    assert weigh([hit(zone("w", -5))], [zone("b", 3)], POLICY) is Standing.SPARED
    assert weigh([hit(zone("w", -5))], [zone("b", 5)], POLICY) is Standing.OPEN
    codes = (
        {"codes": "&2", "name": "x", "score": -4.0},
        {"codes": "&4", "name": "y", "score": 1.0},
    )
    assert weigh(refused, [zone("c", codes=codes)], POLICY) is Standing.OPEN


def test_an_answer_without_a_meaning_is_none() -> None:
    coded = zone("c", codes=({"codes": "127.0.0.2", "name": "x", "score": 2.0},))
    assert listings_of(coded, "x", ("127.0.0.9",)) == []
    (named,) = listings_of(coded, "x", ("127.0.0.2",), "item")
    assert (named.symbol, named.description, named.item) == ("LIST_C_X", "Listed by c as x", "item")


zones = st.lists(
    st.builds(
        zone,
        st.sampled_from("abcdefgh"),
        st.integers(-8, 8).map(float),
        provider=st.sampled_from(["", "p", "q"]),
        policy_list=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda z: z.name,
)


@settings(max_examples=300)
@given(zones, st.integers(0, 6))
def test_what_is_settled_no_list_can_change(made: list[EdgeZone], known: int) -> None:
    listings, out = [hit(z) for z in made[:known]], made[known:]
    standing = weigh(listings, out, POLICY)
    for count in range(len(out) + 1):
        for more in combinations(out, count):
            final = weigh([*listings, *map(hit, more)], (), POLICY)
            assert final is not Standing.OPEN
            if standing is not Standing.OPEN:
                assert final is standing
