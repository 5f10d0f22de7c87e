"""What would survive another framework, another database or another model vendor."""
