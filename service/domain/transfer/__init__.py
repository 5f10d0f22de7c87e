"""Export and import: a line of JSON for each session and profile."""
