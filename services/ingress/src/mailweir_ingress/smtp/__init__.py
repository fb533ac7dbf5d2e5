"""The SMTP engine: bytes, lines, commands and sessions."""
