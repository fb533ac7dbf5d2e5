"""First connections are kept back, and none is lost but of clients that came once."""

import pytest

from mailweir_ratelimit.newcomers import Newcomers


def test_a_first_one_goes_with_the_second() -> None:
    newcomers = Newcomers()
    assert [newcomers.due("a", 100.0 + n, 60) for n in range(5)] == [0, 2, 1, 1, 1]
    assert newcomers.due("b", 105.0, 60) == 0


def test_who_comes_back_late_is_new_again() -> None:
    newcomers = Newcomers()
    assert [newcomers.due("a", at, 60) for at in (0, 60, 121, 200, 300)] == [0, 2, 0, 0, 0]


@pytest.mark.parametrize("number", [2, 3, 50])
def test_all_are_reported_of_who_comes_often(number: int) -> None:
    newcomers = Newcomers()
    assert sum(newcomers.due("a", n * 0.1, 60) for n in range(number)) == number


def test_it_remembers_so_many() -> None:
    newcomers = Newcomers(remembered=10)
    for number in range(1000):
        assert newcomers.due(str(number), number * 0.001, 60) == 0
    assert len(newcomers._first) == 10
    assert newcomers.due("999", 1.0, 60) == 2
    assert newcomers.due("0", 1.0, 60) == 0
