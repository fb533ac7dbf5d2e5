"""A fact that is computed on first use and kept."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - used as a decorator, like property
    """Compute a value on first access and keep it in the instance's `__dict__`.

    As it defines no `__set__`, every later access finds the value itself and costs a plain attribute read;
    unlike `functools.cached_property` of Python 3.11 it takes no lock. Two threads may compute the same value
    twice, which is harmless: the facts of a message depend on nothing but its bytes.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        """Take the method that computes the value."""
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> T | Self:
        """Return the value, computing it if this is the first access."""
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value


class Frozen:
    """Base of the views: attributes are set in the constructor, or by `lazy`, and never again."""

    __slots__ = ("__dict__",)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a view is immutable."""
        msg = f"{type(self).__name__} is immutable"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> None:
        """Refuse: a view is immutable."""
        msg = f"{type(self).__name__} is immutable"
        raise AttributeError(msg)
