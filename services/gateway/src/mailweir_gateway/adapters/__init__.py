"""The outside: the quarantine over gRPC, keys in SQL, HTTP; and the same in memory."""
