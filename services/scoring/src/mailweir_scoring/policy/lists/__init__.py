"""DNS lists: what of a message is asked about, in which order, and what the answers mean."""

from .answers import ListAnswer, ListQuery, ListStatus, read_answer
from .rules import rules_of
from .stage import look_up

__all__ = ["ListAnswer", "ListQuery", "ListStatus", "look_up", "read_answer", "rules_of"]
