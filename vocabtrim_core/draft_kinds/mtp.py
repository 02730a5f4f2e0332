"""MTP (NextN): a decoder layer of the target's own kind, with the target's embedding and head."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.draft_kinds.kind import HeadKind
from vocabtrim_core.errors import InputError
from vocabtrim_core.layer_families import GATED_QUERIES
from vocabtrim_core.layer_weights import (
    LatentAttention,
    decoder_layers,
    experts,
    feed_forward_width,
    head_shapes,
    is_mixture,
)
from vocabtrim_core.model_config import ModelConfig

# Fields that give the number of MTP layers, by family.
COUNTS = ("mtp_num_hidden_layers", "num_nextn_predict_layers", "mtp_num_layers")
# Families whose MTP layer is not a copy of the target's last one; its shapes are in no config.
OTHER_LAYER = ("mimo_v2_flash", "qwen4_exp", "deepseek_v4")


class Mtp(HeadKind):
    """MTP."""

    name = "mtp"
    title = "MTP"
    source = (
        "DeepSeek-V3 (eh_proj 2H -> H, one layer, shared head); Qwen3.5 (mtp.fc 2H -> H, one "
        "full-attention layer)"
    )
    shared_head = True
    from_target = True

    def from_config(self, config: ModelConfig) -> dict[str, Any]:
        """The MTP layer: attention and feed-forward of the target's last layer."""
        if not mtp_layers(config):
            raise InputError(
                f"{config.where} has no MTP layer: none of {', '.join(COUNTS)} is a positive "
                "number; choose another kind of draft, or give the config of a model with MTP."
            )
        if config.family in OTHER_LAYER:
            raise InputError(
                f"{config.where}: the MTP layer of model_type {config.family} differs from the "
                "model's own layers, and its shapes are not in the config; choose a preset."
            )
        last = (decoder_layers(config) or 1) - 1
        mixture = is_mixture(config, last)
        heads, groups, dim = head_shapes(config, whole=True)
        gate = bool(config.get("attn_output_gate")) or config.family in GATED_QUERIES
        return {
            "query_heads": heads,
            "key_value_heads": groups,
            "head_dim": dim,
            "intermediate_size": feed_forward_width(config, last),
            "draft_experts": experts(config) if mixture else 1,
            "stored_width": feed_forward_width(config, last, stored=True) if mixture else None,
            "latent": LatentAttention.of(config),
            "attention_gate": gate,
        }


def mtp_layers(config: ModelConfig) -> int:
    """Number of MTP layers of a target.

    Args:
        config: The config of a target.

    Returns:
        Their number, 0 without any.

    Raises:
        InputError: A field is wrong.
    """
    return next((count for name in COUNTS if (count := config.size(name, least=0))), 0)
