"""Turns of a chat: what the model gets, and what is kept of its response."""
