"""The session service: conversations of AI chat products, kept in MongoDB."""

from importlib.metadata import version

__version__ = version("session-service")
