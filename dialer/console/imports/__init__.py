"""Files that bring clients in."""
