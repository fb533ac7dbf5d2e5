"""Owns every SMTP session and decides what becomes of each message."""
