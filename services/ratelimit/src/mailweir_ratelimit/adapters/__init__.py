"""The outside: counters and quotas in the bus, held mail, notices."""
