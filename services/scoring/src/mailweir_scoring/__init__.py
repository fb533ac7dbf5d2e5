"""Says whether the content of a message is spam, and why."""
