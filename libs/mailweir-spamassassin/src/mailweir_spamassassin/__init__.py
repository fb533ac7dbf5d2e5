"""SpamAssassin's rule files, read as they are and run fast."""
