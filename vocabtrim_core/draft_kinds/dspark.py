"""DSpark: DFlash with a low-rank factor over pairs of tokens, read once per drafted token."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.draft_kinds.dflash import DFlash, section_of
from vocabtrim_core.draft_kinds.kind import HEAD, MARKOV, Shapes
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import LARGEST, ModelConfig


class DSpark(DFlash):
    """DSpark."""

    name = "dspark"
    title = "DSpark"
    source = "SpecForge modeling/draft/dspark.py: DFlash and markov_w2, rank x vocabulary"
    passes = (
        "One pass drafts a block of K tokens: layers and head are read once a cycle, the Markov "
        "factor's rows once for each token."
    )

    def head_parts(self, shape: Shapes) -> dict[str, int]:
        """A row of the head, and its row of the Markov factor."""
        return {**super().head_parts(shape), MARKOV: shape.markov_rank}

    def row_parts(self, shape: Shapes, depth: int) -> dict[str, int]:
        """The head once, the Markov factor for each drafted token."""
        return {HEAD: shape.hidden_size, MARKOV: depth * shape.markov_rank}

    def from_config(self, config: ModelConfig) -> dict[str, Any]:
        """DFlash's fields and the rank."""
        rank = section_of(config).get("markov_rank", config.stated("markov_rank"))
        if type(rank) is not int or not 1 <= rank <= LARGEST:
            raise InputError(
                f"{config.where}: dflash_config.markov_rank must be a positive whole number, not "
                f"{rank!r:.60}."
            )
        return {**super().from_config(config), "markov_rank": rank}
