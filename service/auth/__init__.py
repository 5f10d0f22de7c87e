"""Tokens: a Bearer header becomes a Caller. The only home of python-jose (decision 0007)."""
