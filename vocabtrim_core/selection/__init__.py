"""Vocabularies beyond top-k."""
