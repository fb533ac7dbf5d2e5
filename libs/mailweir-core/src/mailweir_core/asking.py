"""Pure code that needs answers from outside: it yields questions and is sent the answers.

An evaluator (SPF, DKIM, a list query) is a generator. It yields a tuple of questions, all of one type, and
is sent a tuple of answers in their order, until it returns its result. Whoever drives it chooses where the
answers come from: a resolver, a recorded verdict, a table in a test. So it is tested without a socket, and
whatever it asked can be replayed.
"""

from collections.abc import Callable, Generator
from itertools import chain
from typing import Any, TypeVar, overload

T = TypeVar("T")

Asking = Generator[tuple[Any, ...], tuple[Any, ...], T]
"""Yields questions, is sent answers, returns a T."""


def drive(asking: Asking[T], answer: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> T:
    """Return the result, with answers from a plain function: for tests, replays and recorded answers."""
    try:
        questions = next(asking)
        while True:
            questions = asking.send(answer(questions))
    except StopIteration as end:
        result: T = end.value
        return result


A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@overload
def together(first: Asking[A], second: Asking[B], /) -> Asking[tuple[A, B]]: ...
@overload
def together(
    first: Asking[A], second: Asking[B], third: Asking[C], /
) -> Asking[tuple[A, B, C]]: ...
@overload
def together(
    first: Asking[A], second: Asking[B], third: Asking[C], fourth: Asking[D], /
) -> Asking[tuple[A, B, C, D]]: ...
@overload
def together(*askings: Asking[T]) -> Asking[tuple[T, ...]]: ...
def together(*askings: Asking[Any]) -> Asking[tuple[Any, ...]]:
    """Run several side by side; return their results in order.

    Each round is one tuple with what all of them want to know, equal questions once: independent evaluators
    that need three rounds each need three together. Questions of one round must be of one type; what one
    evaluator raises ends all of them.
    """
    results: list[Any] = [None] * len(askings)
    waiting: dict[int, tuple[Any, ...]] = {}
    for number in range(len(askings)):
        _go_on(number, askings, None, results, waiting)
    while waiting:
        round_ = tuple(dict.fromkeys(chain.from_iterable(waiting.values())))
        said = dict(zip(round_, (yield round_) if round_ else (), strict=True))
        for number, questions in list(waiting.items()):
            _go_on(number, askings, tuple(said[q] for q in questions), results, waiting)
    return tuple(results)


def _go_on(
    number: int,
    askings: tuple[Asking[Any], ...],
    answers: tuple[Any, ...] | None,
    results: list[Any],
    waiting: dict[int, tuple[Any, ...]],
) -> None:
    """Send one of them its answers (None: begin); note what it asks next, or its result."""
    asking = askings[number]
    try:
        waiting[number] = next(asking) if answers is None else asking.send(answers)
    except StopIteration as end:
        results[number] = end.value
        waiting.pop(number, None)
