"""Chat models over HTTP, templates of prompts, and a scripted model for tests and demos."""
