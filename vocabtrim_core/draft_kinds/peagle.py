"""P-EAGLE: several layers as EAGLE-3's, and one parallel pass for all drafted tokens."""

from __future__ import annotations

from vocabtrim_core.draft_kinds.eagle3 import Eagle3


class PEagle(Eagle3):
    """P-EAGLE."""

    name = "p-eagle"
    title = "P-EAGLE"
    source = "SpecForge modeling/draft/peagle.py: fc 3H -> H, a first layer over 2H, others over H"
    passes = "One pass with K rows drafts all K tokens: layers and head are read once a cycle."
    parallel = True
    trained_here = False
