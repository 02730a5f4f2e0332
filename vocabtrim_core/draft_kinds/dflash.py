"""DFlash: a block of tokens in one pass over hidden states of several target layers."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.draft_kinds.kind import HeadKind, Shapes
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import ModelConfig


class DFlash(HeadKind):
    """DFlash."""

    name = "dflash"
    title = "DFlash"
    source = "SpecForge modeling/draft/dflash.py: fc of target_layer_ids x H -> H, layers over H"
    passes = (
        "One pass drafts a block: layers and head are read once a cycle, with a row for each of "
        "the K tokens (block size - 1)."
    )
    parallel = True
    shared_head = True
    charges_fusion = True

    def fusion(self, shape: Shapes) -> int:
        """Hidden states of the target's layers, their number times H -> H."""
        return shape.feature_width * shape.hidden_size if shape.fusion_per_step else 0

    def from_config(self, config: ModelConfig) -> dict[str, Any]:
        """The target layers that are fused; a list of them, or one per layer of the draft."""
        section = section_of(config)
        listed = section.get("target_layer_ids")
        if listed is None:
            listed = config.stated("aux_hidden_state_layer_ids")
        if listed is not None and not (isinstance(listed, list) and listed):
            raise InputError(
                f"{config.where}: target_layer_ids must be a list of layers, not {listed!r:.60}."
            )
        layers = config.size("num_hidden_layers") or 1
        return {"feature_layers": len(listed) if listed else layers}


def section_of(config: ModelConfig) -> dict[str, Any]:
    """The object `dflash_config` of a config, empty where there is none.

    Args:
        config: The config of a draft.

    Returns:
        Its fields.

    Raises:
        InputError: It is no object.
    """
    section = config.stated("dflash_config") or {}
    if not isinstance(section, dict):
        raise InputError(f"{config.where}: dflash_config must be an object; mend the field.")
    return section
