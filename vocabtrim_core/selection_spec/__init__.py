"""A whole selection as one value, and its forms."""
