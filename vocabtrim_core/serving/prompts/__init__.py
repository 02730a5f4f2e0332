"""Prompts that engines are measured with."""
