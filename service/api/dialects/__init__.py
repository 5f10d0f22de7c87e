"""The ways in. A dialect holds shapes, views and endpoints, and knows no other dialect."""
