"""A small model of its own as the draft: all of its layers and its head, for every token."""

from __future__ import annotations

from vocabtrim_core.draft_kinds.kind import ATTENTION, FEED_FORWARD, HeadKind, Shapes


class Standalone(HeadKind):
    """A standalone draft."""

    name = "standalone"
    title = "Standalone model"
    source = "a decoder: layers and head are read for every token; its embedding is a look-up"

    def weights(self, shape: Shapes) -> dict[str, int]:
        """Its layers; nothing of the target is fused."""
        feed_forward = shape.layers * 3 * shape.hidden_size * shape.intermediate_size
        return {ATTENTION: self.attention(shape), FEED_FORWARD: feed_forward}
