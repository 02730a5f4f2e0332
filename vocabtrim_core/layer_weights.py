"""Weights of decoder layers, counted from the shapes in a config.

Only the matrices of attention and feed-forward count; norms, biases, convolutions and the routers
of mixtures of experts do not. Of a mixture the experts of one token are read for it; all of them
are in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vocabtrim_core.layer_families import (
    GATED_QUERIES,
    ONE_SHARED,
    UNGATED,
    dense_width,
    uncounted,
)
from vocabtrim_core.model_config import MOST_LAYERS, ModelConfig

SOFTMAX = (None, "full_attention", "sliding_attention", "chunked_attention", "attention")
# Names that model families use for one thing.
EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
ACTIVE = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "moe_topk",
    "moe_top_k",
    "top_k_experts",
    "moe_k",
)
SHARED = (
    "n_shared_experts",
    "num_shared_experts",
    "num_shared_expert",
    "moe_num_shared_experts",
)
SHARED_WIDTHS = (
    "shared_expert_intermediate_size",
    "shared_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "share_expert_dim",
)
DENSE_WIDTHS = ("intermediate_size_mlp", "dense_intermediate_size")
FIRST_DENSE = ("moe_layer_start_index", "num_dense_layers", "first_k_dense_replace")
SWITCHES = ("enable_moe_block", "is_moe")  # false where a config's experts are not used


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


def head_shapes(config: ModelConfig, *, whole: bool = False) -> tuple[int, int, int]:
    """Shapes of a model's attention heads.

    Args:
        config: The config of a model.
        whole: Those of layers that read the whole context, where they have their own (Gemma 4).

    Returns:
        Query heads, key-value heads, width of a head.

    Raises:
        InputError: A field is missing or wrong.
    """
    hidden = config.required("hidden_size")
    heads = config.required("num_attention_heads")
    groups = config.size("num_key_value_heads") or _falcon_groups(config) or heads
    dim = config.size("head_dim") or max(1, hidden // heads)
    if whole:
        own = next(iter(config.own_of_layers.values()), {})
        dim = config.size("global_head_dim") or own.get("head_dim") or dim
        stated = config.size("num_global_key_value_heads") or own.get("num_key_value_heads")
        groups = stated or groups
    return heads, groups, dim


def _falcon_groups(config: ModelConfig) -> int | None:
    """Key-value heads by Falcon's names; None where a config has not these."""
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        return 1
    return config.size("num_kv_heads")


def all_experts(config: ModelConfig) -> int:
    """Experts that a router chooses from, without shared ones.

    Args:
        config: The config of a model.

    Returns:
        Their number, 0 for a dense model.

    Raises:
        InputError: A field is wrong.
    """
    if any(config.get(name) is False for name in SWITCHES):
        return 0
    return _first(config, *EXPERTS) or 0


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
    active = _first(config, *ACTIVE)
    least = 1 if config.family in ONE_SHARED else 2
    return active if count >= least and active else 0


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
    if not is_mixture(config, layer):
        return _first(config, *DENSE_WIDTHS) or _dense_width(config)
    width = _first(config, "moe_intermediate_size") or _dense_width(config)
    shared = _stated_size(config, SHARED_WIDTHS)
    if shared is None:
        count = _stated_size(config, SHARED)
        always = 1 if config.family in ONE_SHARED else 0
        shared = width * (always if count is None else count)
    if config.get("enable_moe_block"):  # Gemma 4: experts beside a dense feed-forward
        shared += _dense_width(config)
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
    dense = dense_width(config)
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
        Their number; None where a layer is of a kind not covered here, such as a state-space layer,
        or the config has experts under a name that is not known here.

    Raises:
        InputError: A field is missing or wrong.
    """
    layers = decoder_layers(config)
    if layers is None or uncounted(config) or _is_of_another_kind(config):
        return None
    kinds = config.get("layer_types")
    kinds = kinds if isinstance(kinds, list) else []
    if 0 < len(kinds) < layers or not _differ_by_kind_alone(config, kinds):
        return None
    matrices = 2 if config.family in UNGATED else 3
    hidden, total = config.required("hidden_size"), 0
    linear = _linear_attention(config, hidden)
    softmax = {whole: _attention(config, hidden, whole=whole) for whole in (False, True)}
    beside = 2 * hidden * (config.size("hidden_size_per_layer_input", least=0) or 0)
    feed_forward: dict[bool, int] = {}  # by whether the layer is a mixture
    for layer in range(layers):
        kind = kinds[layer] if kinds else None
        ordinary = softmax[kind == "full_attention"] if kind in SOFTMAX else None
        attention = linear if kind == "linear_attention" else ordinary
        if attention is None:
            return None
        mixture = is_mixture(config, layer)
        if mixture not in feed_forward:
            feed_forward[mixture] = (
                matrices * hidden * feed_forward_width(config, layer, stored=stored)
            )
        total += attention + feed_forward[mixture] + beside
    return total


def is_mixture(config: ModelConfig, layer: int) -> bool:
    """Whether a layer has experts; model families use different fields for it.

    Args:
        config: The config of a model.
        layer: Index of the layer.

    Returns:
        Whether it has.

    Raises:
        InputError: A field is wrong.
    """
    if not experts(config):
        return False
    kinds, frequency = config.get("mlp_layer_types"), config.get("moe_layer_freq")
    if isinstance(kinds, list) and layer < len(kinds):
        return kinds[layer] == "sparse"
    if isinstance(frequency, list) and layer < len(frequency):
        return bool(frequency[layer])
    listed, dense = config.get("moe_layers"), config.get("mlp_only_layers")
    if isinstance(listed, list):
        return layer in listed
    step = config.size("decoder_sparse_step") or 1
    in_list = isinstance(dense, list) and layer in dense
    return layer >= (_first(config, *FIRST_DENSE) or 0) and not in_list and (layer + 1) % step == 0


# --- parts --------------------------------------------------------------------------------------


def _first(config: ModelConfig, *names: str) -> int | None:
    return next((size for name in names if (size := config.size(name, least=0))), None)


def _dense_width(config: ModelConfig) -> int:
    width = dense_width(config)
    return config.required("intermediate_size") if width is None else width


def _stated_size(config: ModelConfig, names: Sequence[str]) -> int | None:
    """The first of these fields that has a value, 0 included."""
    sizes = (config.size(name, least=0) for name in names)
    return next((size for size in sizes if size is not None), None)


def _is_of_another_kind(config: ModelConfig) -> bool:
    """Whether layers are built in a way that is not counted here, so that no count is the answer.

    Experts that do nothing (LongCat); layers that use the keys and values of others (Gemma 3n and
    the small Gemma 4); layers with experts in an order that is not read here; experts whose number,
    or whose number per token, has another name.
    """
    if config.get("zero_expert_num") is not None or config.size("num_kv_shared_layers", least=0):
        return True
    steps = (config.get(name) for name in ("moe_layer_freq", "moe_layer_interval"))
    if config.get("moe_layers_enum") or any(type(s) is int and s > 1 for s in steps):
        return True
    if experts(config) or any(config.get(name) is False for name in SWITCHES):
        return False
    stated = {n: v for n, v in config.fields.items() if "expert" in n and type(v) is int}
    return all_experts(config) > 1 or any(count > 1 for count in stated.values())


def _differ_by_kind_alone(config: ModelConfig, kinds: Sequence[str]) -> bool:
    """Whether layers with shapes of their own are those that read the whole context, all alike."""
    own = config.own_of_layers
    alike = all(fields == next(iter(own.values())) for fields in own.values())
    names = {name for fields in own.values() for name in fields}
    whole = {layer for layer, kind in enumerate(kinds) if kind == "full_attention"}
    return not own or (alike and names <= {"head_dim", "num_key_value_heads"} and set(own) == whole)


def _attention(config: ModelConfig, hidden: int, *, whole: bool) -> int:
    """Weights of one attention; whole: of a layer that reads the whole context."""
    heads, groups, dim = head_shapes(config, whole=whole)
    latent = LatentAttention.of(config)
    if latent is not None:
        return latent.weights(hidden, hidden, heads)
    gate = bool(config.get("attn_output_gate")) or config.family in GATED_QUERIES
    keys = 1 if whole and config.get("attention_k_eq_v") else 2  # keys that are the values too
    return hidden * dim * ((3 if gate else 2) * heads + keys * groups)


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
