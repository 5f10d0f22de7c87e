"""What every dialect is made of."""
