"""What goes over the wire: HTTP in, domain calls, HTTP out."""
