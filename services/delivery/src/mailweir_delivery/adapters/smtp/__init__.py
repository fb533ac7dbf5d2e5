"""A compact SMTP and LMTP client: pipelined, reusing connections, knowing at each moment how far it is.

Why not a library: docs/adr/0005-smtp-client.md.
"""
