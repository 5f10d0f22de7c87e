"""The service's settings: the only reader of the environment."""
