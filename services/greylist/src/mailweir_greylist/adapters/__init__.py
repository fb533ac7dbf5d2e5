"""What the service needs of the bus: its store, the index for the list, the forecast."""
