"""EAGLE-3 and 3.1: one layer over fused hidden states of the target, with a head of its own."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.draft_kinds.aux_layers import KEY, MARK, NESTED, read_layers
from vocabtrim_core.draft_kinds.kind import HeadKind, Shapes, attention_weights
from vocabtrim_core.model_config import ModelConfig


class Eagle3(HeadKind):
    """EAGLE-3. Version 3.1 adds norms alone, which are not counted."""

    name = "eagle3"
    title = "EAGLE-3"
    source = "the paper, section 2.3; EAGLE-3.1 (SpecForge: fc_norm, norm_output) adds norms only"
    trained_here = True
    charges_fusion = True

    def fusion(self, shape: Shapes) -> int:
        """Hidden states of some layers of the target, mostly three: 3H -> H."""
        return shape.feature_width * shape.hidden_size if shape.fusion_per_step else 0

    def attention(self, shape: Shapes) -> int:
        """The first layer reads [embedding; hidden], so q, k and v project from 2H; o to H."""
        h = shape.hidden_size
        return attention_weights(shape, 2 * h) + (shape.layers - 1) * attention_weights(shape, h)

    def from_config(self, config: ModelConfig) -> dict[str, Any]:
        """The target's layers that are fused, where the config of the draft names them."""
        stated = {name: config.stated(name) for name in (MARK, NESTED, KEY)}
        layers = read_layers(stated, config.where)
        return {} if layers is None else {"feature_layers": len(layers)}


def trained_config(shape: Any, draft_vocab_size: int) -> dict[str, Any]:
    """Write the config.json with which SpecForge trains a draft and engines serve it.

    Args:
        shape: The `DraftArchitecture`: one dense layer of ordinary attention.
        draft_vocab_size: k.

    Returns:
        The JSON object.
    """
    target = shape.target_hidden_size
    return {
        **({} if target is None else {"target_hidden_size": target}),
        "architectures": ["LlamaForCausalLMEagle3"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "draft_vocab_size": draft_vocab_size,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "hidden_size": shape.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_position_embeddings,
        "mlp_bias": False,
        "num_attention_heads": shape.query_heads,
        "num_hidden_layers": 1,
        "num_key_value_heads": shape.key_value_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": shape.rms_norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": shape.vocab_size,
    }
