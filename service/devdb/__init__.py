"""A MongoDB for development and tests, started and stopped with the service."""
