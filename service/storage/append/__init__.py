"""How messages get into the log: batches, known heads, and what settles a doubt."""
