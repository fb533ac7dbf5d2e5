"""Says who a client or sender is: DNS lists, names, history, allow and block lists."""
