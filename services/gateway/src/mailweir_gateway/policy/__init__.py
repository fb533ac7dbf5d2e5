"""What the gateway decides, as pure functions: keys, preconditions, strict JSON, accounts' names."""
