"""Files of each format, in blocks that threads decode."""
