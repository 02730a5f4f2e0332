"""Timings of the product, each a script of its own; their last outputs are in results/."""

import vocabtrim_core  # noqa: F401  before Arrow, whose allocator it chooses, as every command does
