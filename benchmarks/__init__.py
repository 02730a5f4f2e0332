"""Timings of the product, each a script of its own; their last outputs are in results/."""
