"""Chat templates: which characters of a conversation count."""
