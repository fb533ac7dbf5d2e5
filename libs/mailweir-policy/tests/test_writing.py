"""Writing documents: the same bytes for equal policies, and what breaks a reader is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_policy import InvalidPolicyError, Policy, Problem, dumps, loads, policy_from

names = st.text("abcdefghij_", min_size=1, max_size=8)
documents = st.fixed_dictionaries(
    {},
    optional={
        "session": st.fixed_dictionaries({"sessions": st.integers(1, 100_000)}),
        "scoring": st.fixed_dictionaries(
            {},
            optional={
                "thresholds": st.just({"tag": None, "quarantine": 3, "reject": 9.5}),
                "signal_scores": st.dictionaries(names, st.floats(-100, 100), max_size=5),
                "group_caps": st.dictionaries(names, st.floats(0, 1000), max_size=5),
                "stages": st.dictionaries(
                    names, st.just({"on_failure": "hold", "budget_seconds": 2}), max_size=5
                ),
            },
        ),
        "relay": st.fixed_dictionaries(
            {
                "domains": st.lists(
                    names.filter(lambda n: "_" not in n), unique=True, min_size=1
                ).map(
                    lambda found: [
                        {
                            "name": name,
                            "recipients": "list",
                            "addresses": [f"b@{name}", f"a@{name}"],
                        }
                        for name in found
                    ]
                )
            }
        ),
    },
)


@given(documents)
def test_what_is_written_reads_back(document: dict[str, Any]) -> None:
    policy = policy_from(document)

    assert loads(dumps(policy)) == policy


@given(documents)
def test_equal_policies_are_written_alike(document: dict[str, Any]) -> None:
    turned = _turned(document)

    assert policy_from(turned) == policy_from(document)
    assert dumps(policy_from(turned)) == dumps(policy_from(document))


def _turned(value: Any) -> Any:
    """Return the same document with its objects, and the list that is a set, written backwards."""
    if isinstance(value, dict):
        return {
            key: item[::-1] if key == "addresses" else _turned(item)
            for key, item in reversed(value.items())
        }
    return [_turned(item) for item in value] if isinstance(value, list) else value


def test_every_field_is_written_out_in_its_order() -> None:
    written = json.loads(dumps(Policy()))

    assert list(written) == list(Policy.model_fields)
    assert list(written["session"]) == list(type(Policy().session).model_fields)
    assert written["scoring"]["thresholds"] == {"tag": 6.0, "quarantine": 8.0, "reject": 15.0}


def test_non_ascii_is_written_as_it_is() -> None:
    policy = policy_from({"scoring": {"group_caps": {"größe": 1}}})

    assert "größe" in dumps(policy).decode()
    assert loads(dumps(policy)) == policy


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"session": ' * 50_000 + b"1" + b"}" * 50_000,
    ],
)
def test_nesting_without_end_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        loads(data)

    assert caught.value.problems == (Problem("", "nested too deeply"),)


def test_a_decoded_document_without_end_is_refused() -> None:
    document: dict[str, Any] = {}
    document["session"] = document

    with pytest.raises(InvalidPolicyError):
        policy_from(document)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"\x00",
        b"nan",
        b'{"session": {"idle_seconds": NaN}}',
        b'{"session": {"idle_seconds": 1e999}}',
        b'{"identity": {"hostname": "\\ud800"}}',
    ],
)
def test_odd_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        loads(data)

    assert caught.value.problems


@given(st.binary(max_size=200) | st.text(st.characters(), max_size=200))
def test_no_bytes_raise_anything_else(data: bytes | str) -> None:
    assert isinstance(outcome_of(loads, data), Policy | tuple)


def outcome_of(read: Callable[[Any], Policy], document: Any) -> Policy | tuple[Problem, ...]:
    """Return the policy or the problems."""
    try:
        return read(document)
    except InvalidPolicyError as error:
        return error.problems


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(list(Policy.model_fields)), json_values, max_size=4))
def test_no_document_raises_anything_else(document: dict[str, Any]) -> None:
    outcome = outcome_of(policy_from, document)

    assert isinstance(outcome, Policy) or all(problem.message for problem in outcome)


def test_the_error_s_text_names_the_first_few() -> None:
    error = InvalidPolicyError(tuple(Problem(f"p{n}", "wrong") for n in range(9)))

    assert str(error) == "p0: wrong; p1: wrong; p2: wrong; p3: wrong; p4: wrong"
    assert str(InvalidPolicyError((Problem("", "not JSON"),))) == "(document): not JSON"
