"""DNS lists: what of a message is asked about, in which order, and what the answers mean."""

from .answers import ListQuery
from .rules import rules_of
from .stage import look_up

__all__ = ["ListQuery", "look_up", "rules_of"]
