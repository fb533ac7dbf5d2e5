"""What greylisting decides: whom it asks, what a key is made of, how an entry changes. Pure."""
