"""Weights of decoder layers, counted from the shapes in a config.

Only the matrices of attention and feed-forward count; norms, biases, convolutions and the routers
of mixtures of experts do not. Of a mixture the experts of one token are read for it; all of them
are in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.model_config import MOST_LAYERS, ModelConfig

# Two matrices, up and down, instead of three with a gate.
UNGATED = ("falcon", "gpt2", "gpt_neox", "nemotron", "phi", "starcoder2")
SOFTMAX = (None, "full_attention", "sliding_attention", "chunked_attention", "attention")
GATED_QUERIES = ("qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text")


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek): low-rank projections of queries, keys and values.

    Attributes:
        query_rank: q_lora_rank; None where queries are projected in one step.
        key_value_rank: kv_lora_rank.
        nope_dim: qk_nope_head_dim.
        rope_dim: qk_rope_head_dim.
        value_dim: v_head_dim.
    """

    query_rank: int | None
    key_value_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int

    def weights(self, read: int, hidden: int, heads: int) -> int:
        """Weights of one attention.

        Args:
            read: Width of its input.
            hidden: Width of its output.
            heads: Query heads.

        Returns:
            The number of weights.
        """
        queries = heads * (self.nope_dim + self.rope_dim)
        rank = self.query_rank
        query = read * queries if rank is None else read * rank + rank * queries
        down = read * (self.key_value_rank + self.rope_dim)
        up = self.key_value_rank * heads * (self.nope_dim + self.value_dim)
        return query + down + up + heads * self.value_dim * hidden

    @classmethod
    def of(cls, config: ModelConfig) -> LatentAttention | None:
        """The ranks that a config states.

        Args:
            config: The config of a model.

        Returns:
            The ranks, None for a model of ordinary attention.

        Raises:
            InputError: A field is missing or wrong.
        """
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
    """Shapes of a model's attention heads.

    Args:
        config: The config of a model.

    Returns:
        Query heads, key-value heads, width of a head.

    Raises:
        InputError: A field is missing or wrong.
    """
    hidden = config.required("hidden_size")
    heads = config.required("num_attention_heads")
    groups = config.size("num_key_value_heads") or heads
    return heads, groups, config.size("head_dim") or max(1, hidden // heads)


def all_experts(config: ModelConfig) -> int:
    """Experts that a router chooses from, without shared ones.

    Args:
        config: The config of a model.

    Returns:
        Their number, 0 for a dense model.

    Raises:
        InputError: A field is wrong.
    """
    names = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
    return _first(config, *names) or 0


def experts(config: ModelConfig) -> int:
    """Experts that a token passes, without shared ones.

    Args:
        config: The config of a model.

    Returns:
        Their number, 0 for a dense model.

    Raises:
        InputError: A field is wrong.
    """
    count = all_experts(config)
    active = _first(config, "num_experts_per_tok", "experts_per_token", "moe_k")
    return active if count > 1 and active else 0


def feed_forward_width(config: ModelConfig, layer: int, *, stored: bool = False) -> int:
    """Width of the feed-forward that a token passes in a layer, with shared experts.

    Args:
        config: The config of a model.
        layer: Index of the layer.
        stored: Sum over all experts instead of a token's.

    Returns:
        The width, of a mixture summed over the experts.

    Raises:
        InputError: A field is missing or wrong.
    """
    if not _is_mixture(config, layer):
        width = config.size("intermediate_size_mlp") or _dense_width(config)
        return config.required("intermediate_size") if width is None else width
    width = _first(config, "moe_intermediate_size") or config.required("intermediate_size")
    shared = config.size("shared_expert_intermediate_size", least=0)
    if shared is None:
        always = 1 if config.model_type in ("llama4", "llama4_text") else 0
        count = config.size("n_shared_experts", least=0)
        count = config.size("moe_num_shared_experts", least=0) if count is None else count
        shared = width * (always if count is None else count)
    return (all_experts(config) if stored else experts(config)) * width + shared


def draft_width(config: ModelConfig) -> int:
    """Feed-forward width of the dense draft that SpecForge derives from a target.

    Args:
        config: The config of the target.

    Returns:
        Its `intermediate_size`; without one, the width that a token passes in the last layer.

    Raises:
        InputError: A field is missing or wrong.
    """
    dense = _dense_width(config)
    return feed_forward_width(config, (decoder_layers(config) or 1) - 1) if dense is None else dense


def decoder_layers(config: ModelConfig) -> int | None:
    """Number of decoder layers of a model's config, None where it is unknown."""
    return config.size("num_hidden_layers", most=MOST_LAYERS)


def layer_weights(config: ModelConfig, *, stored: bool = False) -> int | None:
    """Weights of all decoder layers that a token passes.

    Args:
        config: The config of a model.
        stored: Count all experts instead of a token's.

    Returns:
        Their number; None where a layer is of a kind not covered here, such as a state-space layer.

    Raises:
        InputError: A field is missing or wrong.
    """
    layers = decoder_layers(config)
    kinds = config.get("layer_types")
    kinds = kinds if isinstance(kinds, list) and len(kinds) == layers else None
    if layers is None or config.get("zero_expert_num") is not None:
        return None
    matrices = 2 if config.model_type in UNGATED else 3
    hidden, total = config.required("hidden_size"), 0
    linear = _linear_attention(config, hidden)
    softmax = _attention(config, hidden)
    feed_forward: dict[bool, int] = {}  # by whether the layer is a mixture
    for layer in range(layers):
        kind = kinds[layer] if kinds else None
        attention = softmax if kind in SOFTMAX else linear if kind == "linear_attention" else None
        if attention is None:
            return None
        mixture = _is_mixture(config, layer)
        if mixture not in feed_forward:
            feed_forward[mixture] = (
                matrices * hidden * feed_forward_width(config, layer, stored=stored)
            )
        total += attention + feed_forward[mixture]
    return total


# --- parts --------------------------------------------------------------------------------------


def _first(config: ModelConfig, *names: str) -> int | None:
    return next((size for name in names if (size := config.size(name, least=0))), None)


def _dense_width(config: ModelConfig) -> int | None:
    names = ("intermediate_size", "ffn_hidden_size", "n_inner")
    return next((size for name in names if (size := config.size(name))), None)


def _is_mixture(config: ModelConfig, layer: int) -> bool:
    """Whether a layer has experts; model families use different fields for it."""
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
    """Weights of a gated delta layer (Qwen3-Next, Qwen3.5), None where the config has none."""
    # Queries, keys, values, a gate, two scalars per head, and the output projection.
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
