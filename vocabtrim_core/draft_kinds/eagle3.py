"""EAGLE-3 and 3.1: one layer over fused hidden states of the target, with a head of its own."""

from __future__ import annotations

from vocabtrim_core.draft_kinds.kind import HeadKind, Shapes, attention_weights


class Eagle3(HeadKind):
    """EAGLE-3. Version 3.1 adds norms alone, which are not counted."""

    name = "eagle3"
    title = "EAGLE-3"
    source = "the paper, section 2.3; EAGLE-3.1 (SpecForge: fc_norm, norm_output) adds norms only"
    trained_here = True
    charges_fusion = True

    def fusion(self, shape: Shapes) -> int:
        """Hidden states of three layers of the target, 3H -> H."""
        return shape.feature_width * shape.hidden_size if shape.fusion_per_step else 0

    def attention(self, shape: Shapes) -> int:
        """The first layer reads [embedding; hidden], so q, k and v project from 2H; o to H."""
        h = shape.hidden_size
        return attention_weights(shape, 2 * h) + (shape.layers - 1) * attention_weights(shape, h)
