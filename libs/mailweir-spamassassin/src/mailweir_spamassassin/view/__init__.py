"""A message as SpamAssassin's rules see it."""
