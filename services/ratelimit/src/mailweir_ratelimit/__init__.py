"""Counts what clients and users do, bans who offends, and keeps what users send within limits."""
