"""Draft vocabularies beyond the k most frequent tokens."""
