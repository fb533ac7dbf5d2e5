"""Keeps the record of every judged message, and held mail until it is released."""
