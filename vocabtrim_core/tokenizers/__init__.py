"""Tokenizers: bundled, from files or from the hub; the text of their tokens."""
