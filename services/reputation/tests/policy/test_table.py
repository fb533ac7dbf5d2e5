"""A table that is copied cheaply."""

from hypothesis import given, strategies as st

from mailweir_reputation.policy.table import PARTS, Table

_CHANGES = st.lists(st.tuples(st.integers(0, 3 * PARTS), st.none() | st.integers()))


def contents(table: Table[int, int]) -> dict[int, int]:
    found = ((key, table.get(key)) for key in range(3 * PARTS + 1))
    return {key: value for key, value in found if value is not None}


def apply(table: Table[int, int], changes: list[tuple[int, int | None]]) -> None:
    for key, value in changes:
        if value is None:
            table.drop(key)
        else:
            table.put(key, value)


@given(_CHANGES, _CHANGES)
def test_a_copy_changes_alone(
    first: list[tuple[int, int | None]], then: list[tuple[int, int | None]]
) -> None:
    table: Table[int, int] = Table()
    apply(table, first)
    before = contents(table)
    copy = table.copy()
    apply(copy, then)
    expected = dict(before)
    for key, value in then:
        expected.pop(key, None)
        if value is not None:
            expected[key] = value
    assert contents(table) == before
    assert contents(copy) == expected
    assert (len(table), len(copy)) == (len(before), len(expected))


def test_names_are_keys_too() -> None:
    table: Table[str, str] = Table()
    table.put("a", "1")
    table.put("a", "2")
    assert (table.get("a"), table.get("b"), len(table)) == ("2", None, 1)
