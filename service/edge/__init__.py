"""HTTP below the application: connections, limits, headers, logs and metrics."""
