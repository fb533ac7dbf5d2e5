"""The outside: streams' protobuf, SQL, and the same in memory."""
