"""Everything with an I/O library in it."""
