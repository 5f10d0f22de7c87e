"""The service compared with the one a good engineer would write first, and with library peers."""
