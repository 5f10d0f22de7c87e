"""The service beside the one a good engineer would write first, and beside library peers."""
