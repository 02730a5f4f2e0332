"""Counting every token of a corpus, exactly and fast."""
