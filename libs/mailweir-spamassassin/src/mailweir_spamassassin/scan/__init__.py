"""Matching: one pass over a text for all its rules, then an exact look at the few that may hit."""
