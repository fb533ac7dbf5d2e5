"""What clients, networks and senders have done: what is counted, how it fades, and what it says."""
