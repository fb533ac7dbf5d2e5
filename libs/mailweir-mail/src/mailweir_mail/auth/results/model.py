"""The contents of an Authentication-Results field as values (RFC 8601 §2.2)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Property:
    """One `ptype.name=value`, such as `smtp.mailfrom=user@example.com`."""

    ptype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's result. `comment` is for people; `reason` is the clause of that name."""

    method: str
    result: str
    properties: tuple[Property, ...] = ()
    reason: str = ""
    comment: str = ""
    version: str = ""

    def get(self, ptype: str, name: str) -> str:
        """Return the first value of a property, or the empty string."""
        wanted = (ptype, name)
        return next((p.value for p in self.properties if (p.ptype, p.name) == wanted), "")


@dataclass(frozen=True, slots=True)
class AuthResults:
    """A field: who says it, and what. `complete` is False where more was there than is read."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
    version: str = ""
    complete: bool = True

    def of(self, method: str) -> tuple[MethodResult, ...]:
        """Return the results of a method, in order."""
        return tuple(result for result in self.results if result.method == method)
