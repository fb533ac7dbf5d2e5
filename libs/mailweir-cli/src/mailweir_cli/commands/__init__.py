"""The commands that come with the CLI itself; services contribute theirs by entry points."""
