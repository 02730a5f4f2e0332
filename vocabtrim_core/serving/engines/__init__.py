"""Engines that serve over HTTP: one folder each, and what they share."""
