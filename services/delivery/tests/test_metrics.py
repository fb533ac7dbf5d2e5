"""What delivery counts."""

from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_delivery.metrics import PREFIX, RESULTS, WAYS, Deferrals, Metrics


def test_every_series_is_there_from_the_start() -> None:
    registry = CollectorRegistry()
    Metrics(registry, ManualClock())
    for way in WAYS:
        for result in RESULTS:
            labels = {"way": way, "result": result}
            assert registry.get_sample_value(f"{PREFIX}_recipients_total", labels) == 0
    names = {sample.name for family in registry.collect() for sample in family.samples}
    assert all(name.startswith(f"{PREFIX}_") for name in names)
    labelled = [s for f in registry.collect() for s in f.samples if s.name.endswith("_total")]
    assert all(sample.value == 0 for sample in labelled)
    assert registry.get_sample_value(f"{PREFIX}_notices_total", {"cause": "sent"}) == 0


def test_deferred_messages_are_counted_until_their_time_comes() -> None:
    clock = ManualClock()
    deferrals = Deferrals(clock)
    for seconds in (30, 10, 20):
        deferrals.add(clock.now() + seconds)
    assert deferrals.count() == 3
    clock.advance(15)
    assert deferrals.count() == 2
    deferrals.add(clock.now() + 1)
    assert deferrals.count() == 3
    clock.advance(60)
    assert deferrals.count() == 0
