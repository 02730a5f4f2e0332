"""Readers of each file format: from files to blocks, which threads decode."""
