"""Fields are set by their path, and a path that leads nowhere is named."""

from typing import Any

import pytest

from mailweir_policy.document import InvalidPolicyError, policy_from
from mailweir_policy.paths import assign, read_assignment
from mailweir_policy.policy import Policy


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a.b=3", ("a.b", 3)),
        ("a = [1, 2]", ("a", [1, 2])),
        ("a=null", ("a", None)),
        ("a=smtp://x:25", ("a", "smtp://x:25")),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
    ],
)
def test_an_assignment_is_json_or_a_string(text: str, want: tuple[str, Any]) -> None:
    assert read_assignment(text) == want


@pytest.mark.parametrize("text", ["a", "", "=3", " =3"])
def test_an_assignment_has_a_path_and_a_value(text: str) -> None:
    with pytest.raises(ValueError, match="write path"):
        read_assignment(text)


def test_fields_are_set_in_objects_and_lists() -> None:
    document = Policy().model_dump(mode="json")
    assign(document, "session.hard_errors", 15)
    assign(document, "relay.domains.0.name", "example.org")
    assign(document, "scoring.stages.gtube.enabled", False)
    policy = policy_from(document)
    assert policy.session.hard_errors == 15
    assert policy.relay.domains[0].name == "example.org"
    assert not policy.scoring.stage("gtube").enabled


def test_a_whole_value_in_a_list_is_replaced() -> None:
    document: dict[str, Any] = {"a": [1, 2]}
    assign(document, "a.1", {"b": 3})
    assert document == {"a": [1, {"b": 3}]}


def test_an_unknown_field_is_for_the_policy_to_refuse() -> None:
    document = Policy().model_dump(mode="json")
    assign(document, "session.moon", 1)
    with pytest.raises(InvalidPolicyError) as caught:
        policy_from(document)
    assert [p.path for p in caught.value.problems] == ["session.moon"]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("format.x", "no place for 'x'"),
        ("format.x.y", "no place for 'x'"),
        ("list.2", "no place in a list of 1"),
        ("list.one", "'one' is no place"),
        ("list.9.x", "'9' is no place"),
        ("list.0.x", "no place for 'x'"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        assign({"format": 1, "list": [1]}, path, 2)
    assert str(caught.value).startswith(f"{path}: ")
