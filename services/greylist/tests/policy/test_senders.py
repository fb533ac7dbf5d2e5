"""The sender as it is compared."""

import pytest
from hypothesis import given, strategies as st

from mailweir_greylist.policy.senders import normal_sender


@pytest.mark.parametrize(
    ("sender", "normal"),
    [
        ("Ann@Example.NET", "ann@example.net"),
        ("ann+news@example.net", "ann@example.net"),
        ("+x@example.net", "+x@example.net"),
        ("prvs=1234abcdef=ann@example.net", "ann@example.net"),
        ("btv1==abc==ann@example.net", "ann@example.net"),
        ("SRS0=x7Hq=4K=example.org=ann@forward.example.net", "srs0=example.org=ann@forward.example.net"),
        ("SRS1=aB3d=example.com==HHH=TT=x=u@f.example.net", "srs1=example.com==hhh=tt=x=u@f.example.net"),
        ("list-bounces-1234-bob=example.org@lists.example.net", "list-bounces-#@lists.example.net"),
        ("bounce-77-8@example.net", "bounce-#@example.net"),
        (
            "0102018c1a2b3c4d-5e6f7a8b-1c2d-4e5f-8a9b-0c1d2e3f4a5b-000000@ses.example.net",
            "#@ses.example.net",
        ),
        ("msprvs1=19000abcdefgh12=bounces-1@example.net", "msprvs1=#@example.net"),
        ("web2print@example.net", "web2print@example.net"),
        ("q3report@example.net", "q3report@example.net"),
        ("deadbeef@example.net", "deadbeef@example.net"),  # a word: no digit in it
        ("newsletter@example.net", "newsletter@example.net"),
        ("postmaster", "postmaster"),
    ],
)  # fmt: skip
def test_what_changes_is_taken_out(sender: str, normal: str) -> None:
    assert normal_sender(sender) == normal


def test_two_messages_of_a_mailing_have_one_sender() -> None:
    first = normal_sender("bounce+aa17.4c-bob=example.com@mail.example.net")
    assert first == normal_sender("bounce+bb99.1f-eve=example.org@mail.example.net")


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80)


@given(texts, st.from_regex(r"[a-z]{1,10}\.(?:com|net)", fullmatch=True))
def test_done_twice_it_is_the_same_and_the_domain_stays(local: str, domain: str) -> None:
    once = normal_sender(f"{local}@{domain}")
    assert once.endswith(f"@{domain}")
    assert normal_sender(once) == once
    assert bool(local) == bool(once.rpartition("@")[0])


@given(st.integers(0, 10**12))
def test_a_counter_never_makes_another_sender(number: int) -> None:
    assert normal_sender(f"bounce-{number}@example.net") == "bounce-#@example.net"


def test_a_hostile_local_part_is_no_work() -> None:
    assert len(normal_sender("=" * 100_000 + "@example.net")) < 300
    assert len(normal_sender("1-" * 100_000 + "@example.net")) < 300
