"""Memory over all sessions."""

from mailweir_ingress.smtp.budget import QUANTUM, MemoryBudget, Reservation


def test_no_two_reservations_take_more_than_there_is() -> None:
    budget = MemoryBudget(lambda: 3 * QUANTUM)
    first, second = Reservation(budget), Reservation(budget)
    assert first.cover(1)
    assert second.cover(QUANTUM + 1)
    assert budget.used == first.held + second.held == 2 * QUANTUM + 1
    assert not first.cover(2 * QUANTUM)
    assert first.held == QUANTUM
    second.release()
    assert first.cover(2 * QUANTUM)
    first.release()
    assert budget.used == 0


def test_there_is_room_while_a_message_could_begin() -> None:
    budget = MemoryBudget(lambda: 2 * QUANTUM)
    one = Reservation(budget)
    assert budget.room
    one.cover(QUANTUM)
    assert budget.room
    one.cover(QUANTUM + 1)
    assert not budget.room


def test_the_limit_is_asked_for_each_time() -> None:
    limit = QUANTUM
    budget = MemoryBudget(lambda: limit)
    assert not budget.take(QUANTUM + 1)
    limit = 2 * QUANTUM
    assert budget.take(QUANTUM + 1)


def test_releasing_twice_gives_nothing_twice() -> None:
    budget = MemoryBudget(lambda: QUANTUM)
    one = Reservation(budget)
    one.cover(5)
    one.release()
    one.release()
    assert budget.used == 0
