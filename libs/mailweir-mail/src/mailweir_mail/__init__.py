"""Pure bytes to facts: the lazy, never-raising view of a message."""
