"""Rule files as text: lines, conditions, directives. Nothing here knows of a message."""
