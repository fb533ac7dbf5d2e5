"""What the broker is brought to: the configurations, and how they are widened."""

import pytest

from mailweir_runtime.bus.reconcile import (
    bodies_config,
    bucket_config,
    consumer_config,
    stream_config,
    tuned,
    widened,
)
from mailweir_runtime.bus.topology import (
    BANS,
    BUCKETS,
    CONFIG,
    CONSUMERS,
    DELIVERY,
    JUDGED,
    MAIL,
    PASSES,
    RATES,
    SERVICES,
    STREAMS,
    TRACKER,
    BucketSpec,
    ConsumerSpec,
    StreamSpec,
)
from mailweir_runtime.lifecycle import StartupError


def test_mail_is_a_work_queue_that_never_drops() -> None:
    config = stream_config(MAIL, 3)
    assert config["retention"] == "workqueue"
    assert config["discard"] == "new"
    assert config["storage"] == "file"
    assert config["num_replicas"] == 3
    assert config["duplicate_window"] == 600 * 10**9


@pytest.mark.parametrize("spec", STREAMS, ids=lambda spec: spec.name)
def test_no_window_is_longer_than_the_messages_are_kept(spec: StreamSpec) -> None:
    config = stream_config(spec, 1)
    assert not config["max_age"] or config["duplicate_window"] <= config["max_age"]


@pytest.mark.parametrize("spec", BUCKETS, ids=lambda spec: spec.name)
def test_a_bucket_is_what_other_clients_make(spec: BucketSpec) -> None:
    config = bucket_config(spec, 1)
    assert config["subjects"] == [f"$KV.{config['name'].removeprefix('KV_')}.>"]
    assert config["deny_delete"]
    assert config["allow_rollup_hdrs"]
    assert not config["max_age"] or config["duplicate_window"] <= config["max_age"]


def test_a_bucket_with_ttl_marks_what_ran_out() -> None:
    assert bucket_config(SERVICES, 1)["subject_delete_marker_ttl"] > 0
    assert bucket_config(BANS, 1)["subject_delete_marker_ttl"] > 0
    assert "subject_delete_marker_ttl" not in bucket_config(CONFIG, 1)


def test_a_bucket_says_where_it_is_kept() -> None:
    assert bucket_config(RATES, 1)["storage"] == "memory"
    assert bucket_config(BANS, 1)["storage"] == "file"


def test_a_relaxed_bucket_is_written_lazily_by_a_broker_that_is_alone() -> None:
    assert bucket_config(PASSES, 1)["persist_mode"] == "async"
    assert "persist_mode" not in bucket_config(PASSES, 3)
    assert "persist_mode" not in bucket_config(BANS, 1)


def test_a_bucket_that_is_written_lazily_stays_one_copy() -> None:
    wanted = bucket_config(PASSES, 3)
    assert widened(bucket_config(PASSES, 1), wanted)["num_replicas"] == 1
    older = {k: v for k, v in bucket_config(PASSES, 1).items() if k != "persist_mode"}
    assert widened(older, wanted)["num_replicas"] == 3
    assert "persist_mode" not in widened(older, bucket_config(PASSES, 1))


def test_a_bucket_on_disk_that_may_be_in_memory_is_left() -> None:
    wanted = bucket_config(RATES, 1)
    config = widened({**wanted, "storage": "file"}, wanted)
    assert config["storage"] == "file"


def test_a_bucket_in_memory_that_must_be_on_disk_is_refused() -> None:
    wanted = bucket_config(BANS, 1)
    with pytest.raises(StartupError, match="storage=memory"):
        widened({**wanted, "storage": "memory"}, wanted)


def test_a_bucket_of_an_older_installation_gets_ends_by_key() -> None:
    wanted = bucket_config(BANS, 1)
    older = {k: v for k, v in wanted.items() if k != "subject_delete_marker_ttl"}
    older["allow_msg_ttl"] = False
    assert widened(older, wanted) == wanted


@pytest.mark.parametrize("spec", CONSUMERS, ids=lambda spec: spec.name)
def test_the_broker_never_gives_up_on_a_message(spec: ConsumerSpec) -> None:
    config = consumer_config(spec)
    assert config["max_deliver"] == -1
    assert config["ack_policy"] == "explicit"


def test_what_is_right_stays_as_it_is() -> None:
    found = {**stream_config(JUDGED, 1), "metadata": {"_nats.ver": "2.15.1"}, "sealed": False}
    assert widened(found, stream_config(JUDGED, 1)) == found


def test_subjects_are_added_and_kept() -> None:
    found = {**stream_config(MAIL, 1), "subjects": ["mailweir.*.old.>"]}
    config = widened(found, stream_config(MAIL, 1))
    assert config["subjects"] == ["mailweir.*.old.>", "mailweir.*.mail.>"]


def test_subjects_that_would_overlap_are_joined() -> None:
    wanted = stream_config(MAIL, 1)
    narrow = widened({**wanted, "subjects": ["mailweir.s0.mail.deliver.v1.*"]}, wanted)
    assert narrow["subjects"] == ["mailweir.*.mail.>"]
    wide = widened({**wanted, "subjects": ["mailweir.>"]}, wanted)
    assert wide["subjects"] == ["mailweir.>"]


@pytest.mark.parametrize(
    ("field", "found", "result"),
    [
        ("max_age", 10**9, 14 * 86_400 * 10**9),  # too short: widened
        ("max_age", 30 * 86_400 * 10**9, 30 * 86_400 * 10**9),  # an admin keeps more: kept
        ("max_age", 0, 0),  # kept for ever: kept
        ("max_bytes", 1000, -1),  # no limit is wanted
        ("max_msgs_per_subject", -1, -1),
        ("max_msgs_per_subject", 5, 5),
        ("duplicate_window", 10**9, 600 * 10**9),
    ],
)
def test_limits_are_only_raised(field: str, found: int, result: int) -> None:
    there = {**stream_config(DELIVERY, 1), field: found}
    assert widened(there, stream_config(DELIVERY, 1))[field] == result


def test_replicas_are_only_raised() -> None:
    assert widened(stream_config(MAIL, 3), stream_config(MAIL, 1))["num_replicas"] == 3
    assert widened(stream_config(MAIL, 1), stream_config(MAIL, 3))["num_replicas"] == 3


def test_what_we_do_not_know_is_kept() -> None:
    found = {**bodies_config(1), "placement": {"tags": ["ssd"]}, "compression": "s2"}
    config = widened(found, bodies_config(1))
    assert config["placement"] == {"tags": ["ssd"]}
    assert config["compression"] == "s2"


@pytest.mark.parametrize(
    ("field", "value"), [("retention", "limits"), ("storage", "memory"), ("discard", "old")]
)
def test_what_cannot_be_changed_is_told_in_one_line(field: str, value: str) -> None:
    found = {**stream_config(MAIL, 1), field: value}
    with pytest.raises(StartupError, match=f"stream MAIL is there with {field}={value}") as caught:
        widened(found, stream_config(MAIL, 1))
    assert "\n" not in str(caught.value)
    assert "by hand" in str(caught.value)


def test_a_consumer_is_tuned_or_refused() -> None:
    wanted = consumer_config(TRACKER)
    found = {**wanted, "ack_wait": 1, "max_ack_pending": 7, "metadata": {"a": "b"}}
    assert tuned(found, wanted) == {**wanted, "metadata": {"a": "b"}}
    with pytest.raises(StartupError, match="ack_policy=none"):
        tuned({**wanted, "ack_policy": "none"}, wanted)
