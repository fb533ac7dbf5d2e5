"""When to try again, and when no more."""

from hypothesis import given, strategies as st

from mailweir_delivery.policy.retry import JITTER, expires_at, next_attempt
from mailweir_policy import RetryPolicy

POLICY = RetryPolicy(
    schedule_seconds=(60.0, 300.0, 900.0), expire_seconds=86_400, null_sender_expire_seconds=3600
)
NOW = 1_750_000_000.0


def wait(attempts: int, ref: str = "r") -> float:
    due = next_attempt(POLICY, ref, attempts, NOW, NOW + 1e6)
    assert due is not None
    return due - NOW


def test_waits_follow_the_schedule_and_the_last_one_repeats() -> None:
    for attempts, expected in ((1, 60.0), (2, 300.0), (3, 900.0), (4, 900.0), (40, 900.0)):
        assert abs(wait(attempts) - expected) <= expected * JITTER + 1e-6


def test_mail_deferred_together_spreads() -> None:
    waits = {round(wait(1, f"ref-{n}"), 2) for n in range(200)}
    assert len(waits) > 150
    assert max(waits) - min(waits) > 60 * JITTER


def test_the_same_message_comes_to_the_same_time() -> None:
    assert wait(2, "x") == wait(2, "x")
    assert wait(2, "x") != wait(3, "x")


def test_the_null_sender_s_mail_is_given_up_sooner() -> None:
    assert expires_at(POLICY, NOW, null_sender=False) == NOW + 86_400
    assert expires_at(POLICY, NOW, null_sender=True) == NOW + 3600


def test_the_last_attempt_falls_on_the_expiry() -> None:
    assert next_attempt(POLICY, "r", 1, NOW, NOW + 10) == NOW + 10
    assert next_attempt(POLICY, "r", 1, NOW, NOW) is None


@given(
    st.lists(st.floats(0.1, 864_000), min_size=1, max_size=50),
    st.text(max_size=30),
    st.integers(0, 10_000),
    st.floats(0, 1e6),
    st.floats(0.1, 864_000),
)
def test_never_beyond_the_expiry_and_never_back(
    schedule: list[float], ref: str, attempts: int, age: float, life: float
) -> None:
    policy = RetryPolicy(schedule_seconds=tuple(schedule), expire_seconds=life)
    expiry = expires_at(policy, NOW, null_sender=False)
    now = NOW + age
    due = next_attempt(policy, ref, attempts, now, expiry)
    if due is None:
        assert now >= expiry
    else:
        assert now < due <= expiry


@given(st.floats(1, 100_000), st.text(max_size=20))
def test_every_message_comes_to_an_end(first: float, ref: str) -> None:
    policy = RetryPolicy(
        schedule_seconds=(first,), expire_seconds=50 * first if first < 17_000 else 864_000
    )
    now, attempts = NOW, 0
    expiry = expires_at(policy, NOW, null_sender=False)
    while True:
        attempts += 1
        due = next_attempt(policy, ref, attempts, now, expiry)
        if due is None:
            break
        now = due
    assert now == expiry
    assert attempts <= 60
