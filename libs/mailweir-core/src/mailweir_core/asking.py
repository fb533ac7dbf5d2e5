"""Pure code that needs answers from outside: it yields questions and is sent the answers.

An evaluator (SPF, DKIM, a list query) is a generator. It yields a tuple of questions, all of one type, and
is sent a tuple of answers in their order, until it returns its result. Whoever drives it chooses where the
answers come from: a resolver, a recorded verdict, a table in a test. So it is tested without a socket, and
whatever it asked can be replayed.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

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
