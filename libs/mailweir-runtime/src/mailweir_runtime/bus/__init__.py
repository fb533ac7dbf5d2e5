"""Streams, buckets and bodies: what must last or be heard by several."""
