"""Meta rules: arithmetic over the hits of other rules."""
