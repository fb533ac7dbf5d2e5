"""The `mailweir` command and the one-machine supervisor."""
