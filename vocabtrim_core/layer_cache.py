"""What the decoder layers of a target keep per token of context, from the shapes in a config."""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.layer_weights import SOFTMAX, LatentAttention, decoder_layers, head_shapes
from vocabtrim_core.model_config import ModelConfig

WINDOWED = ("sliding_attention", "chunked_attention")
VALUE_BYTES = 2  # caches are taken to be in 16 bits


@dataclass(frozen=True, slots=True)
class TargetCache:
    """Bytes that attention reads per token of context, over all layers.

    Attributes:
        token_bytes: Of layers that read the whole context.
        window_bytes: Of layers that read the last `window` tokens.
        window: Tokens of a window; 0 without such layers.
    """

    token_bytes: int
    window_bytes: int = 0
    window: int = 0

    def bytes_at(self, context: int) -> int:
        """Compute the bytes that one sequence keeps and reads.

        Args:
            context: Its tokens.

        Returns:
            Bytes.
        """
        return self.token_bytes * context + self.window_bytes * min(context, self.window)


def target_cache(config: ModelConfig) -> TargetCache | None:
    """The cache of a model's decoder layers.

    Keys and values of every key-value head; with low-rank attention the compressed vector and the
    rotary part, which all heads share; nothing that grows for linear attention.

    Args:
        config: The config of a model.

    Returns:
        The cache; None where the layers are unknown.

    Raises:
        InputError: A field is missing or wrong.
    """
    layers = decoder_layers(config)
    if layers is None:
        return None
    kinds = config.get("layer_types")
    kinds = kinds if isinstance(kinds, list) and len(kinds) == layers else [None] * layers
    latent = LatentAttention.of(config)
    if latent is None:
        shapes = head_shapes(config), head_shapes(config, whole=True)
        layer, whole_layer = (2 * groups * dim * VALUE_BYTES for _, groups, dim in shapes)
    else:
        layer = whole_layer = (latent.key_value_rank + latent.rope_dim) * VALUE_BYTES
    windowed, window = sum(kind in WINDOWED for kind in kinds), 0
    if windowed:
        names = ("sliding_window", "attention_chunk_size")
        window = next((size for n in names if (size := config.size(n, least=0))), 0)
        windowed = windowed if window else 0
    whole = sum(kind == "full_attention" for kind in kinds)
    other = sum(kind in SOFTMAX for kind in kinds) - windowed - whole
    return TargetCache(whole * whole_layer + other * layer, windowed * layer, window)
