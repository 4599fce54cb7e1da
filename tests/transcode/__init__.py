"""Parts of the way of a whole file."""
