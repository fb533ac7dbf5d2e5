"""Conditions written as text, such as `subject ~ /prize/i & !THREAD_REPLY`: parsed, checked, decided."""

from .model import Condition, ExpressionError, holds, needs_of, symbols_in
from .parser import parse

__all__ = ["Condition", "ExpressionError", "holds", "needs_of", "parse", "symbols_in"]
