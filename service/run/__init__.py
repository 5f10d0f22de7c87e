"""One process and many: the server, its workers, and how they end."""
