"""EAGLE-1 and EAGLE-2: one layer over embedding and hidden state, with the target's own head."""

from __future__ import annotations

from vocabtrim_core.draft_kinds.kind import HeadKind


class Eagle(HeadKind):
    """EAGLE-1/2."""

    name = "eagle"
    title = "EAGLE-1/2"
    source = "EAGLE (fc 2H -> H, one decoder layer, the target's head); FR-Spec's token map"
    shared_head = True
