"""What a judged message says of its client and its sender."""

from dataclasses import replace
from typing import Any, Final

import pytest

from mailweir_core.reasons import Reason
from mailweir_reputation.policy.history.deeds import Judgement, deeds_of, pairs_of
from mailweir_reputation.policy.history.keys import pair_key

NOW: Final = 1_750_000_000.0
SPAM: Final = Judgement(
    ref="01JXQ0000000000000000000AA-1", message=True, ours=False, client_ip="192.0.2.5",
    helo="mail.b.example", sender="a@b.example", recipients=("user@example.com",), action="reject",
    reason="spam", at=NOW - 1, score=12.0, spam_from=6.0, tag_from=4.0,
)  # fmt: skip
OURS: Final = frozenset({"example.com"})


def spam_of(judged: Judgement) -> float | None:
    deeds = deeds_of(judged, 0, NOW)
    return next(iter(deeds.values())).spam if deeds else None


def test_a_message_counts_for_all_it_came_by() -> None:
    deeds = deeds_of(SPAM, 64500, NOW)
    assert [(key.kind, key.text, key.proven) for key in deeds] == [
        ("ip", "192.0.2.5", False), ("net", "192.0.2.0/24", False), ("asn", "64500", False),
        ("sender", "a@b.example 192.0.2.0/24", False), ("domain", "b.example", False),
        ("helo", "mail.b.example", False),
    ]  # fmt: skip
    (deed,) = set(deeds.values())
    assert (deed.spam, deed.score, deed.at) == (1.0, 12.0, NOW - 1)


def test_with_proof_the_names_are_the_senders_own() -> None:
    proven = replace(SPAM, proven_domains=frozenset({"b.example"}))
    names = [(key.text, key.proven) for key in deeds_of(proven, 0, NOW) if key.kind == "sender"]
    assert names == [("a@b.example", True)]
    other = replace(SPAM, proven_domains=frozenset({"other.example"}))
    assert not any(key.proven for key in deeds_of(other, 0, NOW))


def test_of_ipv6_only_the_subscribers_network_counts_messages() -> None:
    deeds = deeds_of(replace(SPAM, client_ip="2001:db8::1"), 0, NOW)
    assert [key.text for key in deeds if key.kind in ("ip", "net")] == ["2001:db8::/64"]


@pytest.mark.parametrize(
    ("fields", "spam"),
    [
        ({}, 1.0),
        ({"score": 6.0}, 1.0),
        ({"score": 5.9}, 0.5),
        ({"score": 3.9}, 0.0),
        ({"score": 5.0, "tag_from": None}, 0.0),
        ({"score": None}, 1.0),  # then the reason says it
        ({"spam_from": None}, 1.0),
        ({"reason": "clean", "score": 0.0}, 0.0),
        ({"reason": "suspicious", "score": 5.0}, 0.5),
        ({"reason": "malware", "score": 0.0}, 1.0),
        ({"reason": "clean", "score": 9.0}, 1.0),  # somebody's allow let it in, by score it is spam
        ({"reason": "clean", "score": 9.0, "allowed": True}, None),
        ({"reason": "clean", "score": 0.0, "allowed": True}, 0.0),
        ({"ours": True}, None),
        ({"client_ip": ""}, None),
        ({"client_ip": "nonsense"}, None),
    ],
)
def test_how_much_of_a_spam_it_was(fields: dict[str, Any], spam: float | None) -> None:
    assert spam_of(replace(SPAM, **fields)) == spam


def test_what_says_nothing_of_the_sender_is_not_counted() -> None:
    counted = {"clean", "suspicious", "spam", "malware"}
    for reason in Reason:
        known = spam_of(replace(SPAM, reason=reason)) is not None
        assert known == (reason in counted), reason


def test_what_no_mail_server_does_counts_against_the_client_alone() -> None:
    rude = {"early-talker", "http-verb", "relay-denied"}
    for reason in Reason:
        deeds = deeds_of(replace(SPAM, message=False, reason=reason, score=None), 0, NOW)
        kinds = {key.kind.value for key in deeds}
        assert kinds == ({"ip", "net"} if reason in rude else set()), reason


def test_a_time_to_come_is_now() -> None:
    deeds = deeds_of(replace(SPAM, at=NOW + 1e6), 0, NOW)
    assert {deed.at for deed in deeds.values()} == {NOW}


def test_marks_tell_messages_apart() -> None:
    refs = [f"01JXQ0000000000000000000AA-{n}" for n in range(100)]
    marks = {next(iter(deeds_of(replace(SPAM, ref=r), 0, NOW).values())).mark for r in refs}
    assert len(marks) == 100


OUTGOING: Final = replace(
    SPAM, ours=True, sender="User@Example.com", recipients=("friend@b.example", "other@example.com"),
    action="accept", reason="clean",
)  # fmt: skip


def test_whom_our_users_write_to() -> None:
    assert pairs_of(OUTGOING, OURS) == {pair_key("user@example.com", "friend@b.example")}
    assert pairs_of(replace(OUTGOING, action="tag"), OURS)


@pytest.mark.parametrize(
    "fields",
    [
        {"ours": False},
        {"message": False},
        {"action": "hold"},
        {"action": "reject"},
        {"action": "discard"},
        {"sender": ""},
        {"sender": "a@b.example"},
        {"recipients": ("other@example.com",)},
    ],
)
def test_who_becomes_no_correspondent(fields: dict[str, Any]) -> None:
    assert pairs_of(replace(OUTGOING, **fields), OURS) == frozenset()


def test_one_message_makes_only_so_many() -> None:
    many = tuple(f"u{n}@b.example" for n in range(500))
    assert len(pairs_of(replace(OUTGOING, recipients=many), OURS)) == 100
