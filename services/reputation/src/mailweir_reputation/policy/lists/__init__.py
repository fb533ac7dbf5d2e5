"""DNS lists: what is asked of which, what the answers come to, and how each list fares."""
