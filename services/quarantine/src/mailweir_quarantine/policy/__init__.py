"""What the quarantine decides, as pure functions: states, progress, cursors, retention."""
