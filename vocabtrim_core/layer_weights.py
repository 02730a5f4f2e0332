"""Weights of decoder layers that one token passes, counted from the shapes in a config.

Only matrix products of attention and feed-forward: norms, biases, convolutions and the routers of
mixtures of experts are left out. Of a mixture only the experts of one token count, which is what
is read for it at batch 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.model_config import ModelConfig

# Two matrices, up and down, instead of three with a gate.
UNGATED = ("falcon", "gpt2", "gpt_neox", "nemotron", "phi", "starcoder2")
SOFTMAX = (None, "full_attention", "sliding_attention", "chunked_attention", "attention")
MOST_LAYERS = 10_000
GATED_QUERIES = ("qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text")


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek): queries, keys and values through low ranks.

    query_rank None: queries are projected in one step.
    """

    query_rank: int | None  # q_lora_rank
    key_value_rank: int  # kv_lora_rank
    nope_dim: int  # qk_nope_head_dim
    rope_dim: int  # qk_rope_head_dim
    value_dim: int  # v_head_dim

    def weights(self, read: int, hidden: int, heads: int) -> int:
        """Weights of a layer that reads `read` values and returns `hidden`."""
        queries = heads * (self.nope_dim + self.rope_dim)
        rank = self.query_rank
        query = read * queries if rank is None else read * rank + rank * queries
        down = read * (self.key_value_rank + self.rope_dim)
        up = self.key_value_rank * heads * (self.nope_dim + self.value_dim)
        return query + down + up + heads * self.value_dim * hidden

    @classmethod
    def of(cls, config: ModelConfig) -> LatentAttention | None:
        """None for a model of ordinary attention."""
        rank = config.size("kv_lora_rank")
        if rank is None:
            return None
        return cls(
            config.size("q_lora_rank"),
            rank,
            config.required("qk_nope_head_dim"),
            config.required("qk_rope_head_dim"),
            config.required("v_head_dim"),
        )


def head_shapes(config: ModelConfig) -> tuple[int, int, int]:
    """(query heads, key-value heads, width of a head)."""
    hidden = config.required("hidden_size")
    heads = config.required("num_attention_heads")
    groups = config.size("num_key_value_heads") or heads
    return heads, groups, config.size("head_dim") or max(1, hidden // heads)


def experts(config: ModelConfig) -> int:
    """Experts that a token passes besides the shared ones; 0 for a dense model."""
    count = _first(
        config, "n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts"
    )
    active = _first(config, "num_experts_per_tok", "experts_per_token", "moe_k")
    return active if count and count > 1 and active else 0


def feed_forward_width(config: ModelConfig, layer: int) -> int:
    """Width of the feed-forward that a token passes in a layer, shared experts included."""
    if not _is_mixture(config, layer):
        width = config.size("intermediate_size_mlp") or _dense_width(config)
        return config.required("intermediate_size") if width is None else width
    one = _first(config, "moe_intermediate_size") or config.required("intermediate_size")
    shared = config.size("shared_expert_intermediate_size", least=0)
    if shared is None:
        always = 1 if config.model_type in ("llama4", "llama4_text") else 0
        count = config.size("n_shared_experts", least=0)
        count = config.size("moe_num_shared_experts", least=0) if count is None else count
        shared = one * (always if count is None else count)
    return experts(config) * one + shared


def draft_width(config: ModelConfig) -> int:
    """Feed-forward width of the dense draft that a target gets: its `intermediate_size`, as
    SpecForge takes it over; else what a token passes in the last layer."""
    dense = _dense_width(config)
    return feed_forward_width(config, (decoder_layers(config) or 1) - 1) if dense is None else dense


def decoder_layers(config: ModelConfig) -> int | None:
    """Decoder layers; None where nobody says it."""
    return config.size("num_hidden_layers", most=MOST_LAYERS)


def layer_weights(config: ModelConfig) -> int | None:
    """Weights of all decoder layers that a token passes; None for kinds of layers that are not
    known here (state-space layers, say)."""
    layers = decoder_layers(config)
    kinds = config.get("layer_types")
    kinds = kinds if isinstance(kinds, list) and len(kinds) == layers else None
    if layers is None or config.get("zero_expert_num") is not None:
        return None
    matrices = 2 if config.model_type in UNGATED else 3
    hidden, total = config.required("hidden_size"), 0
    linear = _linear_attention(config, hidden)
    softmax = _attention(config, hidden)
    seen: dict[bool, int] = {}
    for layer in range(layers):
        kind = kinds[layer] if kinds else None
        attention = softmax if kind in SOFTMAX else linear if kind == "linear_attention" else None
        if attention is None:
            return None
        mixture = _is_mixture(config, layer)
        if mixture not in seen:
            seen[mixture] = matrices * hidden * feed_forward_width(config, layer)
        total += attention + seen[mixture]
    return total


# --- parts --------------------------------------------------------------------------------------


def _first(config: ModelConfig, *names: str) -> int | None:
    return next((found for name in names if (found := config.size(name, least=0))), None)


def _dense_width(config: ModelConfig) -> int | None:
    names = ("intermediate_size", "ffn_hidden_size", "n_inner")
    return next((found for name in names if (found := config.size(name))), None)


def _is_mixture(config: ModelConfig, layer: int) -> bool:
    """Whether a layer has experts: the families say it in several ways."""
    if not experts(config):
        return False
    listed, kinds = config.get("moe_layers"), config.get("mlp_layer_types")
    if isinstance(kinds, list) and layer < len(kinds):
        return kinds[layer] == "sparse"
    if isinstance(listed, list):
        return layer in listed
    dense = config.get("mlp_only_layers")
    step = config.size("decoder_sparse_step") or 1
    first = config.size("first_k_dense_replace", least=0) or 0
    first = config.size("moe_layer_start_index", least=0) or first
    in_list = isinstance(dense, list) and layer in dense
    return layer >= first and not in_list and (layer + 1) % step == 0


def _attention(config: ModelConfig, hidden: int) -> int:
    heads, groups, dim = head_shapes(config)
    latent = LatentAttention.of(config)
    if latent is not None:
        return latent.weights(hidden, hidden, heads)
    gate = bool(config.get("attn_output_gate")) or config.model_type in GATED_QUERIES
    return hidden * dim * ((3 if gate else 2) * heads + 2 * groups)


def _linear_attention(config: ModelConfig, hidden: int) -> int | None:
    """A gated delta layer (Qwen3-Next, Qwen3.5): queries, keys, values, gate, two scalars per
    head, and the projection back."""
    names = (
        "linear_num_key_heads",
        "linear_key_head_dim",
        "linear_num_value_heads",
        "linear_value_head_dim",
    )
    key_heads, key_dim, value_heads, value_dim = (config.size(name) for name in names)
    if not (key_heads and key_dim and value_heads and value_dim):
        return None
    keys, values = key_heads * key_dim, value_heads * value_dim
    return hidden * (2 * keys + 2 * values + 2 * value_heads) + values * hidden
