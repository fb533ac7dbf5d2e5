"""Perl's regular expressions: read, made fit for the multi-pattern scan, and matched exactly."""
