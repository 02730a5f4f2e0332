"""Vocabulary mappings that others made."""
