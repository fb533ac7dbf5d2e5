"""The REST API: configuration, messages, quarantine, services."""
