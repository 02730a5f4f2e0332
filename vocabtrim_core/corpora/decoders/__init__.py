"""Rows, as Arrow or as Python dicts, to batches of messages."""
