"""Where I/O and threads are."""
