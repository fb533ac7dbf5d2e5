"""Knowing a message again."""

from hypothesis import given, strategies as st

from mailweir_ingress.attempts import Attempts, fingerprint

KEY = fingerprint("192.0.2.0/24", "anna@example.net", ["bob@example.com"], b"hello")


def test_a_message_is_known_by_all_that_counts() -> None:
    again = fingerprint("192.0.2.0/24", "anna@example.net", ["bob@example.com"], b"hello")
    others = {
        fingerprint("198.51.100.0/24", "anna@example.net", ["bob@example.com"], b"hello"),
        fingerprint("192.0.2.0/24", "eve@example.net", ["bob@example.com"], b"hello"),
        fingerprint("192.0.2.0/24", "anna@example.net", ["eve@example.com"], b"hello"),
        fingerprint("192.0.2.0/24", "anna@example.net", [], b"hello"),
        fingerprint("192.0.2.0/24", "anna@example.net", ["bob@example.com"], b"hullo"),
    }
    assert again == KEY
    assert len(others) == 5
    assert KEY not in others


@given(st.permutations(["a@x", "b@x", "c@x"]))
def test_the_order_of_recipients_does_not_count(recipients: list[str]) -> None:
    assert fingerprint("n", "s", recipients, b"") == fingerprint(
        "n", "s", ["a@x", "b@x", "c@x"], b""
    )


def test_comings_are_counted() -> None:
    attempts = Attempts()
    assert [attempts.count(KEY) for _ in range(3)] == [1, 2, 3]
    assert attempts.count(b"other") == 1


def test_what_was_seen_longest_ago_is_forgotten_first() -> None:
    attempts = Attempts(most=2)
    for key in (b"a", b"b", b"a", b"c"):
        attempts.count(key)
    assert attempts.count(b"a") == 3
    assert attempts.count(b"b") == 1
