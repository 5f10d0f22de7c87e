"""The service's own description, made from the dialects; it knows none by name."""
