"""The shapes of the REST API."""
