"""The policy models: defaults that hold, every check that refuses, what the methods answer."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field, ValidationError

from mailweir_core.decision import Action
from mailweir_policy import (
    DeliveryPolicy,
    InvalidPolicyError,
    LocalDomain,
    OnOutage,
    Policy,
    RetryPolicy,
    Route,
    ScoringPolicy,
    SessionLimits,
    StageFailure,
    StagePolicy,
    Thresholds,
    policy_from,
)
from mailweir_policy.base import PolicyModel

scores = st.floats(-100, 100)


def problems(document: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with a document, by path."""
    with pytest.raises(InvalidPolicyError) as caught:
        policy_from(document)
    return {problem.path: problem.message for problem in caught.value.problems}


def models(kind: type[BaseModel] = Policy) -> dict[str, type[BaseModel]]:
    """Return every model in the policy by name."""
    found = {kind.__name__: kind}
    for field in kind.model_fields.values():
        for inner in _inside(field.annotation):
            found |= models(inner)
    return found


def _inside(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, "__args__", ()) for m in _inside(argument)]


# defaults


def test_the_defaults_are_valid() -> None:
    assert policy_from({}) == Policy()


def test_the_starting_policy_is_the_documented_one() -> None:
    policy = Policy()

    assert [domain.name for domain in policy.relay.domains] == ["example.com"]
    assert policy.relay.domains[0].recipients == "all"
    assert policy.relay.trusted_networks == ()  # loopback neither relays
    assert policy.relay.unscanned_networks == ()  # nor skips scanning
    limits = policy.scoring.thresholds
    assert (limits.tag, limits.quarantine, limits.reject) == (6.0, 8.0, 15.0)
    assert policy.degradation.scoring is OnOutage.TEMPFAIL
    assert policy.degradation.hold_after_attempts == 3
    assert policy.submission.sender_must_be_owned


@pytest.mark.parametrize("model", models().values(), ids=models().keys())
def test_every_model_refuses_unknown_keys_and_does_not_change(model: type[BaseModel]) -> None:
    assert model.model_config.get("extra") == "forbid"
    assert model.model_config.get("frozen")
    assert model.__doc__


@pytest.mark.parametrize("model", models().values(), ids=models().keys())
def test_every_number_is_bounded(model: type[BaseModel]) -> None:
    for name, schema in model.model_json_schema()["properties"].items():
        forms = schema.get("anyOf", [schema])
        for form in (f.get("additionalProperties", f) for f in forms):
            if form.get("type") in ("integer", "number") and "const" not in form:
                assert {"minimum", "exclusiveMinimum"} & form.keys(), name
                assert "maximum" in form, name


def test_a_part_of_the_policy_is_replaced_not_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Policy().session.sessions = 1  # type: ignore[misc]  # what is tried here


# what is refused


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({"format": 2}, "format", "1"),
        ({"identity": {"hostname": "a b"}}, "identity.hostname", "pattern"),
        ({"identity": {"postmaster": "nobody"}}, "identity.postmaster", "pattern"),
        ({"session": {"sessions": 0}}, "session.sessions", "greater"),
        ({"session": {"sessions": "50"}}, "session.sessions", "integer"),
        ({"session": {"sessions": True}}, "session.sessions", "integer"),
        ({"session": {"sessions": 1.5}}, "session.sessions", "integer"),
        ({"session": {"soft_errors": 30}}, "session", "soft_errors"),
        ({"session": {"idle_seconds": 0}}, "session.idle_seconds", "greater"),
        ({"session": {"idle_seconds": None}}, "session.idle_seconds", "number"),
        ({"session": "fast"}, "session", "object"),
        ({"message": {"bytes": 10**12}}, "message.bytes", "less"),
        ({"message": {"bare_newline": "keep"}}, "message.bare_newline", "normalise"),
        ({"relay": {"require_helo": "yes"}}, "relay.require_helo", "boolean"),
        ({"relay": {"trusted_networks": ["10.0.0.1/8"]}}, "relay.trusted_networks.0", "host bits"),
        ({"relay": {"trusted_networks": "10.0.0.0/8"}}, "relay.trusted_networks", "array"),
        ({"relay": {"proxy_networks": ["::1", "x"]}}, "relay.proxy_networks.1", "x"),
        ({"relay": {"domains": [{"name": "a..b"}]}}, "relay.domains.0.name", "domain name"),
        ({"relay": {"domains": [{}]}}, "relay.domains.0.name", "required"),
        ({"relay": {"callout": {"cache_entries": 1}}}, "relay.callout.cache_entries", "greater"),
        (
            {"relay": {"domains": [{"name": "a.example"}, {"name": "A.EXAMPLE."}]}},
            "relay",
            "'a.example' is named twice",
        ),
        (
            {"relay": {"domains": [{"name": "a.example", "recipients": "list"}]}},
            "relay.domains.0",
            "nobody could receive mail",
        ),
        (
            {"relay": {"domains": [{"name": "a.example", "addresses": ["x@b.example"]}]}},
            "relay.domains.0",
            "'x@b.example' is not in the domain",
        ),
        (
            {"relay": {"domains": [{"name": "a.example", "addresses": ["x"]}]}},
            "relay.domains.0.addresses.0",
            "not a mail address",
        ),
        ({"scoring": {"thresholds": {"reject": 7}}}, "scoring.thresholds", "must be below reject"),
        ({"scoring": {"thresholds": {"tag": 8}}}, "scoring.thresholds", "tag (8) must be below"),
        ({"scoring": {"stages": {"x": {"slow": 1}}}}, "scoring.stages.x.slow", "unknown key"),
        ({"scoring": {"signal_scores": {"A": 101}}}, "scoring.signal_scores.A", "less"),
        ({"scoring": {"group_caps": {"a": -1}}}, "scoring.group_caps.a", "greater"),
        ({"delivery": {"outbound": "smarthost"}}, "delivery", "smarthost is not set"),
        (
            {"delivery": {"retry": {"schedule_seconds": []}}},
            "delivery.retry.schedule_seconds",
            "at least 1",
        ),
        (
            {"delivery": {"routes": [{"domain": "a b", "next_hops": ["smtp://x"]}]}},
            "delivery.routes.0.domain",
            "not a domain",
        ),
        (
            {"delivery": {"routes": [{"domain": "*", "next_hops": ["smtp://x"]}] * 2}},
            "delivery",
            "'*' has two routes",
        ),
        ({"quarantine": {"keep_days": 0}}, "quarantine.keep_days", "greater"),
        ({"degradation": {"scoring": "panic"}}, "degradation.scoring", "tempfail"),
        ({"degradation": {"hold_after_attempts": 0}}, "degradation.hold_after_attempts", "greater"),
    ],
)  # fmt: skip
def test_refused_with_path_and_words(document: dict[str, Any], path: str, words: str) -> None:
    found = problems(document)

    assert list(found) == [path]
    assert words in found[path]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://x", "the scheme"),
        ("mail.example.com", "the scheme"),
        ("smtp://", "host:port"),
        ("smtp://a b", "host:port"),
        ("smtp://x/path", "host:port"),
        ("smtp://x:99999", "the port"),
        ("smtp://x:port", "the port"),
        ("maildir://host/path", "absolute"),
        ("maildir:relative", "absolute"),
        ("", "the scheme"),
    ],
)
def test_a_next_hop_that_is_none(url: str, words: str) -> None:
    found = problems({"delivery": {"smarthost": url}})

    assert list(found) == ["delivery.smarthost"]
    assert words in found["delivery.smarthost"]


@pytest.mark.parametrize(
    "url",
    ["smtp://mail.example.com", "smtp://192.0.2.1:25/", "smtp://[2001:db8::1]:25", "lmtp://127.0.0.1:24", "maildir:///var/mail/in"],
)  # fmt: skip
def test_a_next_hop(url: str) -> None:
    assert policy_from({"delivery": {"smarthost": url}}).delivery.smarthost == url


# what is made the same


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Example.COM", "example.com"),
        (" example.com. ", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("_dmarc.example.com", "_dmarc.example.com"),
    ],
)
def test_domains_have_one_form(written: str, kept: str) -> None:
    assert LocalDomain(name=written).name == kept


@given(st.text(st.characters(), max_size=80))
def test_any_text_is_a_domain_or_refused(text: str) -> None:
    try:
        name = LocalDomain(name=text).name
    except ValidationError:
        return
    assert name.isascii()
    assert LocalDomain(name=name).name == name


def test_addresses_have_one_form() -> None:
    domain = LocalDomain(
        name="Example.com",
        recipients="list",
        addresses=frozenset({"User@EXAMPLE.com", " a@example.com"}),
    )

    assert domain.addresses == {"user@example.com", "a@example.com"}


# what the methods answer


@pytest.mark.parametrize(
    ("score", "action"),
    [
        (-5.0, Action.ACCEPT),
        (5.99, Action.ACCEPT),
        (6.0, Action.TAG),
        (7.99, Action.TAG),
        (8.0, Action.HOLD),
        (15.0, Action.REJECT),
        (1000.0, Action.REJECT),
    ],
)
def test_thresholds_begin_at_their_value(score: float, action: Action) -> None:
    assert Thresholds().action(score) is action


def test_a_threshold_that_is_off_gives_way_to_the_one_below() -> None:
    assert Thresholds(reject=None).action(99) is Action.HOLD
    assert Thresholds(quarantine=None).action(10) is Action.TAG
    assert Thresholds(tag=None, quarantine=None, reject=None).action(99) is Action.ACCEPT


@given(scores, scores, scores, scores, scores)
def test_a_higher_score_never_has_a_milder_action(
    tag: float, quarantine: float, reject: float, one: float, other: float
) -> None:
    try:
        thresholds = Thresholds(tag=tag, quarantine=quarantine, reject=reject)
    except ValidationError:
        assert not tag < quarantine < reject
        return
    severity = [Action.ACCEPT, Action.TAG, Action.HOLD, Action.REJECT]
    low, high = sorted((one, other))
    assert severity.index(thresholds.action(low)) <= severity.index(thresholds.action(high))


def test_a_stage_that_is_not_named_has_the_defaults() -> None:
    strict = StagePolicy(on_failure=StageFailure.TEMPFAIL)
    scoring = ScoringPolicy(stages={"parse": strict})

    assert scoring.stage("parse") == strict
    assert scoring.stage("gtube") == StagePolicy()


def test_a_domain_s_own_route_goes_before_the_star() -> None:
    own = Route(domain="a.example", next_hops=("smtp://a",))
    star = Route(domain="*", next_hops=("smtp://b",))

    assert DeliveryPolicy(routes=(star, own)).route("a.example") == own
    assert DeliveryPolicy(routes=(star, own)).route("b.example") == star
    assert DeliveryPolicy(routes=(own,)).route("b.example") is None


def test_limits_at_their_edge_are_taken() -> None:
    assert SessionLimits(soft_errors=20, hard_errors=20).soft_errors == 20
    assert RetryPolicy(schedule_seconds=(1.0,) * 50).schedule_seconds[0] == 1.0


def test_the_schema_tells_units_and_bounds() -> None:
    schema = json.dumps(Policy.model_json_schema())

    assert "Bytes per second below which DATA ends" in schema
    assert '"maximum"' in schema


def test_a_message_that_could_not_be_read_comes_again() -> None:
    policy = ScoringPolicy()
    assert policy.stage("parse").on_failure is StageFailure.TEMPFAIL
    assert policy.stage("headers").on_failure is StageFailure.SKIP
    own = ScoringPolicy(stages={"parse": StagePolicy(on_failure=StageFailure.HOLD)})
    assert own.stage("parse").on_failure is StageFailure.HOLD


class Inner(PolicyModel):
    one: int = Field(1, ge=0, le=9)
    """The one."""


class Outer(Inner):
    """A part with a part."""

    two: Inner = Inner()
    """Another part.

    In two lines.
    """
    three: int = Field(3, ge=0, le=9, description="Said otherwise")
    """Not this."""
    four: int = Field(4, ge=0, le=9)


def test_what_stands_below_a_field_is_its_description() -> None:
    found = Outer.model_json_schema()
    said = {name: schema.get("description") for name, schema in found["properties"].items()}
    assert said == {
        "one": "The one.",
        "two": "Another part.\n\nIn two lines.",
        "three": "Said otherwise",
        "four": None,
    }
    assert found["$defs"]["Inner"]["properties"]["one"]["description"] == "The one."
