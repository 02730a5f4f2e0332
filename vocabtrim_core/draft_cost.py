"""The cost of one EAGLE-3 draft step: FLOPs and bytes per component (paper section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.layer_weights import LatentAttention
from vocabtrim_core.model_config import LARGEST

if TYPE_CHECKING:
    import numpy as np

FEATURE_LAYERS = 3  # EAGLE-3 fuses hidden states of a low, a middle and a high target layer


@dataclass(frozen=True, slots=True)
class DraftArchitecture:
    """Shapes of an EAGLE-3 draft.

    It has a fusion of three hidden states of the target (3 x target's H -> H), decoder layers of
    which the first reads the concatenated embedding and hidden state, and a head. FLOPs are those
    of the matrix products per drafted token, a multiply-add counted as two; bytes are the weights
    read for it.

    Attributes:
        name: Name for people.
        hidden_size: H.
        intermediate_size: Width of the feed-forward; of a mixture of experts the sum over the
            experts that one token passes.
        query_heads: Query heads of the attention.
        key_value_heads: Key and value heads of the attention.
        head_dim: Width of a head.
        vocab_size: V of the target.
        max_position_embeddings: Longest sequence, in tokens.
        rms_norm_eps: Epsilon of the RMS norms.
        rope_theta: Base of the rotary position embedding.
        bytes_per_weight: Bytes per weight, 2 for bfloat16.
        fusion_per_step: Whether the fusion counts in every draft step, as in the paper, or once per
            verification cycle, as engines run it.
        target_layers: Decoder layers of the target, None where unknown.
        active_experts: Feed-forwards a token passes in each layer of a mixture-of-experts target.
        layers: Decoder layers of the draft.
        target_hidden_size: H of the target, None where it is the draft's.
        draft_experts: Experts of the draft that a token passes.
        latent: Ranks of a draft with low-rank attention, None for ordinary attention.
        target_layer_weights: Weights of the target's layers that a token passes; None for
            `target_layers` layers of the draft's shapes.
    """

    name: str
    hidden_size: int
    intermediate_size: int
    query_heads: int
    key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int = 131_072
    rms_norm_eps: float = 1e-5
    rope_theta: float = 500_000.0
    bytes_per_weight: int = 2
    fusion_per_step: bool = True
    target_layers: int | None = None
    active_experts: int = 1
    layers: int = 1
    target_hidden_size: int | None = None
    draft_experts: int = 1
    latent: LatentAttention | None = None
    target_layer_weights: int | None = None

    def __post_init__(self) -> None:
        for name in (
            "hidden_size",
            "intermediate_size",
            "query_heads",
            "key_value_heads",
            "head_dim",
            "vocab_size",
            "bytes_per_weight",
            "layers",
            "draft_experts",
            "target_hidden_size",
        ):
            value = getattr(self, name)
            if name == "target_hidden_size" and value is None:
                continue
            if not isinstance(value, int) or not 1 <= value <= LARGEST:
                raise InputError(
                    f"Draft architecture {self.name}: {name} must be a positive whole number up "
                    f"to {LARGEST:,}, but it is {value!r}."
                )
        if self.step_bytes(self.vocab_size) >= 2**60:
            raise InputError(
                f"Draft architecture {self.name}: its sizes make a draft step of "
                f"{self.step_bytes(self.vocab_size) / 2**50:,.0f} PiB, which is no model; mend "
                "them."
            )

    @property
    def feature_width(self) -> int:
        """Width of the fusion's input: the target's hidden states of three layers."""
        return FEATURE_LAYERS * (self.target_hidden_size or self.hidden_size)

    @property
    def weights(self) -> dict[str, int]:
        """Weights per component that do not depend on k."""
        h = self.hidden_size
        fusion = self.feature_width * h if self.fusion_per_step else 0
        # The first layer reads [embedding; hidden], so q, k and v project from 2H; o returns to H.
        attention = self._attention(2 * h) + (self.layers - 1) * self._attention(h)
        return {
            "Feature fusion": fusion,
            "Attention": attention,
            "Feed-forward": self.layers * 3 * h * self.intermediate_size,
        }

    def _attention(self, read: int) -> int:
        """Weights of one attention with an input of width `read`."""
        if self.latent is not None:
            return self.latent.weights(read, self.hidden_size, self.query_heads)
        queries, keys = (n * self.head_dim for n in (self.query_heads, self.key_value_heads))
        return read * (queries + 2 * keys) + queries * self.hidden_size

    def breakdown(self, k: int) -> dict[str, int]:
        """Weights per component with a head of k rows.

        Args:
            k: Draft vocabulary size.

        Returns:
            The number of weights by component. FLOPs are twice that, bytes `bytes_per_weight`
            times.
        """
        return {**self.weights, "LM head": self.hidden_size * k}

    def flops(self, k: int | np.ndarray) -> Any:
        """FLOPs of one draft step with a head of k rows.

        Args:
            k: Draft vocabulary size, or int64 sizes of any shape.

        Returns:
            FLOPs, an int or an int64 array of the shape of k.
        """
        return 2 * (sum(self.weights.values()) + self.hidden_size * k)

    def step_bytes(self, k: int | np.ndarray) -> Any:
        """Bytes of weights that one draft step with a head of k rows reads.

        Args:
            k: Draft vocabulary size, or int64 sizes of any shape.

        Returns:
            Bytes, an int or an int64 array of the shape of k.
        """
        return self.bytes_per_weight * (sum(self.weights.values()) + self.hidden_size * k)

    def head_bytes(self, k: int) -> int:
        """Bytes of an LM head of k rows."""
        return self.bytes_per_weight * self.hidden_size * k

    def latency_reduction(self, k: int | np.ndarray) -> Any:
        """R(k) = 1 - FLOPs(k) / FLOPs(V), equation 3 of the paper.

        Args:
            k: Draft vocabulary size, or int64 sizes of any shape.

        Returns:
            The share of FLOPs saved, 0 at k = V: a float or a float64 array of the shape of k.
        """
        return 1 - self.flops(k) / self.flops(self.vocab_size)

    @property
    def target_weights(self) -> int | None:
        """Weights of layers and head that the target reads per token; None without layers."""
        if self.target_layers is None:
            return None
        body = self.target_layer_weights
        if body is None:
            h = self.hidden_size
            feed_forward = 3 * h * self.intermediate_size * self.active_experts
            body = self.target_layers * (self._attention(h) + feed_forward)
        return body + (self.target_hidden_size or self.hidden_size) * self.vocab_size

    @property
    def cache_bytes_per_layer(self) -> int:
        """Bytes that one decoder layer keeps per token of context, in 16-bit values.

        Keys and values of every key-value head; with low-rank attention the compressed vector and
        the rotary part, which all heads share. The target's layers are taken to have the draft's
        key-value heads, as in the published draft configs.
        """
        if self.latent is not None:
            return 2 * (self.latent.key_value_rank + self.latent.rope_dim)
        return 2 * 2 * self.key_value_heads * self.head_dim

    @property
    def _kind(self) -> str:
        """How a draft differs from one dense layer of ordinary attention, in words."""
        parts = [f"{self.layers} layers"] if self.layers > 1 else []
        parts += [f"{self.draft_experts} experts per token"] if self.draft_experts > 1 else []
        return " with ".join(parts + ["low-rank attention"] * (self.latent is not None))

    @property
    def trainable(self) -> bool:
        """Whether SpecForge and `serving.torch_loop` support the draft: one dense layer."""
        return self.layers == self.draft_experts == 1 and self.latent is None

    def draft_config(self, draft_vocab_size: int) -> dict[str, Any]:
        """The config.json with which SpecForge trains the draft and engines serve it.

        Args:
            draft_vocab_size: k.

        Returns:
            The JSON object.

        Raises:
            InputError: SpecForge has no class for such a draft.
        """
        if not self.trainable:
            raise InputError(
                f"{self.name} is a draft of {self._kind}, and SpecForge's EAGLE-3 trainer has only "
                "one dense layer of ordinary attention; give such a draft, or the target's "
                "config.json."
            )
        fused = (
            {}
            if self.target_hidden_size is None
            else {"target_hidden_size": self.target_hidden_size}
        )
        return {
            **fused,
            "architectures": ["LlamaForCausalLMEagle3"],
            "model_type": "llama",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "draft_vocab_size": draft_vocab_size,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.max_position_embeddings,
            "mlp_bias": False,
            "num_attention_heads": self.query_heads,
            "num_hidden_layers": 1,
            "num_key_value_heads": self.key_value_heads,
            "pretraining_tp": 1,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "vocab_size": self.vocab_size,
        }


def with_vocab_size(architecture: DraftArchitecture, vocab_size: int) -> DraftArchitecture:
    """The same shapes with another V.

    Args:
        architecture: The shapes of a draft.
        vocab_size: V.

    Returns:
        The shapes with that V.
    """
    return replace(architecture, vocab_size=vocab_size)


def _preset(name: str, layers: int, h: int, i: int, q: int, kv: int, d: int, v: int, **fields: Any):
    return name, DraftArchitecture(name, h, i, q, kv, d, v, target_layers=layers, **fields)


def _experts(layers: int, attention: int, h: int, active: int, dense: int = 0) -> dict[str, int]:
    """Weights of the layers of a mixture-of-experts target, as a keyword of DraftArchitecture.

    Args:
        layers: Decoder layers.
        attention: Weights of one attention.
        h: H.
        active: Width of the feed-forward that a token passes in each layer.
        dense: Width that dense layers have beyond `active`, summed over them.

    Returns:
        {"target_layer_weights": weights}.
    """
    return {"target_layer_weights": layers * (attention + 3 * h * active) + 3 * h * dense}


QWEN3 = {"max_position_embeddings": 40_960, "rms_norm_eps": 1e-6, "rope_theta": 1e6}
QWEN3_30B = {
    **QWEN3,
    "active_experts": 8,
    **_experts(48, 2048 * 128 * (2 * 32 + 2 * 4), 2048, 8 * 768),
}
QWEN3_235B = {
    **QWEN3,
    "active_experts": 8,
    **_experts(94, 4096 * 128 * (2 * 64 + 2 * 4), 4096, 8 * 1536),
}
QWEN2_5 = {"max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "rope_theta": 1e6}
GEMMA3 = {"rms_norm_eps": 1e-6, "rope_theta": 1e6}
GPT_OSS = {"rope_theta": 150_000.0, "active_experts": 4}
GPT_OSS_LAYER = (2880 * 64 * (2 * 64 + 2 * 8), 2880, 4 * 2880)
GPT_OSS_20B = {**GPT_OSS, **_experts(24, *GPT_OSS_LAYER)}
GPT_OSS_120B = {**GPT_OSS, **_experts(36, *GPT_OSS_LAYER)}
# One expert of 8,192 and a shared one in every layer.
LLAMA_4_SCOUT = _experts(48, 5120 * 128 * (2 * 40 + 2 * 8), 5120, 2 * 8192)
# Low-rank attention; three dense layers of 18,432, then 8 experts and a shared one.
DEEPSEEK_V3 = {
    "max_position_embeddings": 163_840,
    "active_experts": 8,
    **_experts(
        layers=61,
        attention=LatentAttention(1536, 512, 128, 64, 128).weights(7168, 7168, 128),
        h=7168,
        active=9 * 2048,
        dense=3 * (18432 - 9 * 2048),
    ),
}

SMOLLM2 = {"max_position_embeddings": 8192, "rope_theta": 1e5}

# The draft's shapes are those of the draft config that SpecForge publishes for the target. Where
# there is none they are the target's own, from its config.json, as SpecForge derives a draft.
PRESETS: dict[str, DraftArchitecture] = dict(
    (
        _preset("llama-3.1-8b", 32, 4096, 14336, 32, 8, 128, 128_256),
        _preset("llama-3.2-1b", 16, 2048, 8192, 32, 8, 64, 128_256),
        _preset("llama-3.2-3b", 28, 3072, 8192, 24, 8, 128, 128_256),
        _preset("llama-3.3-70b", 80, 8192, 28672, 64, 8, 128, 128_256),
        _preset("qwen3-4b", 36, 2560, 9728, 32, 8, 128, 151_936, **QWEN3),
        _preset("qwen3-8b", 36, 4096, 12288, 32, 8, 128, 151_936, **QWEN3),
        _preset("qwen3-32b", 64, 5120, 25600, 64, 8, 128, 151_936, **QWEN3),
        _preset("qwen3-30b-a3b", 48, 2048, 12288, 32, 4, 128, 151_936, **QWEN3_30B),
        _preset("qwen3-235b-a22b", 94, 4096, 24576, 64, 4, 128, 151_936, **QWEN3_235B),
        _preset("qwen2.5-7b", 28, 3584, 18944, 28, 4, 128, 152_064, **QWEN2_5),
        _preset("gpt-oss-20b", 24, 2880, 17280, 64, 8, 64, 201_088, **GPT_OSS_20B),
        _preset("gpt-oss-120b", 36, 2880, 17280, 64, 8, 64, 201_088, **GPT_OSS_120B),
        _preset("mistral-nemo", 40, 5120, 14336, 32, 8, 128, 131_072, rope_theta=1e6),
        _preset("gemma-3-4b", 34, 2560, 10240, 8, 4, 256, 262_208, **GEMMA3),
        _preset("gemma-3-12b", 48, 3840, 15360, 16, 8, 256, 262_208, **GEMMA3),
        _preset("gemma-3-27b", 62, 5376, 21504, 32, 16, 128, 262_208, **GEMMA3),
        _preset("llama-4-scout", 48, 5120, 32768, 40, 8, 128, 202_048, **LLAMA_4_SCOUT),
        _preset("smollm2-135m", 30, 576, 1536, 9, 3, 64, 49_152, **SMOLLM2),
        _preset("deepseek-v3", 61, 7168, 40960, 56, 8, 128, 129_280, **DEEPSEEK_V3),
    )
)
