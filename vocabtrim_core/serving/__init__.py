"""Measuring drafts: an attached engine, runs over the same prompts, and what they show."""
