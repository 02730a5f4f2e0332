"""Prompts for measurements."""
