"""What one EAGLE-3 draft step costs: FLOPs and bytes per component (paper section 2.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError

FEATURE_LAYERS = 3  # EAGLE-3 fuses hidden states of a low, a middle and a high target layer


@dataclass(frozen=True, slots=True)
class DraftArchitecture:
    """Shapes of an EAGLE-3 draft: fusion (3H -> H), one decoder layer on (embedding, hidden), head.

    FLOPs count a multiply-add as two and only the matrix products, per drafted token; bytes are
    the weights read for it. `fusion_per_step` False charges the fusion to the verification cycle
    instead of the draft step, as engines run it; the paper charges it to every step.
    """

    name: str
    hidden_size: int  # H
    intermediate_size: int
    query_heads: int
    key_value_heads: int
    head_dim: int
    vocab_size: int  # V
    max_position_embeddings: int = 131_072
    rms_norm_eps: float = 1e-5
    rope_theta: float = 500_000.0
    bytes_per_weight: int = 2
    fusion_per_step: bool = True
    target_layers: int | None = None  # decoder layers of the target; None when unknown
    active_experts: int = 1  # feed-forward blocks a token passes in a mixture-of-experts target

    def __post_init__(self) -> None:
        for name in ("hidden_size", "intermediate_size", "query_heads", "key_value_heads",
                     "head_dim", "vocab_size", "bytes_per_weight"):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(
                    f"Draft architecture {self.name}: {name} must be a positive whole number, "
                    f"but it is {value!r}."
                )

    @property
    def weights(self) -> dict[str, int]:
        """Weights per component that do not depend on k."""
        h, q = self.hidden_size, self.query_heads * self.head_dim
        kv = self.key_value_heads * self.head_dim
        fusion = FEATURE_LAYERS * h * h if self.fusion_per_step else 0
        # The layer reads [embedding; hidden], so q, k and v project from 2H; o returns to H.
        attention = 2 * h * q + 2 * (2 * h * kv) + q * h
        return {
            "Feature fusion": fusion,
            "Attention": attention,
            "Feed-forward": 3 * h * self.intermediate_size,
        }

    def breakdown(self, k: int) -> dict[str, int]:
        """Weights per component with a head of k rows. FLOPs are 2x, bytes `bytes_per_weight`x."""
        return {**self.weights, "LM head": self.hidden_size * k}

    def flops(self, k: int | np.ndarray) -> Any:
        """FLOPs of one draft step with a head of k rows; k may be an array."""
        return 2 * (sum(self.weights.values()) + self.hidden_size * k)

    def step_bytes(self, k: int | np.ndarray) -> Any:
        """Weight bytes read by one draft step with a head of k rows."""
        return self.bytes_per_weight * (sum(self.weights.values()) + self.hidden_size * k)

    def head_bytes(self, k: int) -> int:
        """Bytes of the LM head alone."""
        return self.bytes_per_weight * self.hidden_size * k

    def latency_reduction(self, k: int | np.ndarray) -> Any:
        """R(k) = 1 - FLOPs(k) / FLOPs(V), equation 3; 0 at k = V."""
        return 1 - self.flops(k) / self.flops(self.vocab_size)

    @property
    def target_weights(self) -> int | None:
        """Weights the target reads for one token (layers and head), None without target_layers."""
        if self.target_layers is None:
            return None
        h, q = self.hidden_size, self.query_heads * self.head_dim
        attention = 2 * h * q + 2 * h * self.key_value_heads * self.head_dim
        layer = attention + 3 * h * self.intermediate_size * self.active_experts
        return self.target_layers * layer + h * self.vocab_size

    def draft_config(self, draft_vocab_size: int) -> dict[str, Any]:
        """The draft's config.json as SpecForge trains it and engines serve it."""
        return {
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


def architecture_from_config(
    config: Mapping[str, Any], name: str, where: str = ""
) -> DraftArchitecture:
    """Shapes from a target's or a draft's config.json (nested `text_config` is read too).

    InputError names the missing field, and `where` (by default the name) it is missing.
    """
    where = where or name
    fields = {**config, **(config.get("text_config") or {})}
    required = ("hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    for field in required:
        if field not in fields:
            raise InputError(
                f"{where} has no {field!r}; a draft architecture needs {', '.join(required)}."
            )
    heads, hidden = fields["num_attention_heads"], fields["hidden_size"]
    rope = fields.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    if not isinstance(heads, int) or heads < 1 or not isinstance(hidden, int):
        raise InputError(f"{where}: hidden_size and num_attention_heads must be whole numbers.")
    return DraftArchitecture(
        name=name,
        hidden_size=hidden,
        intermediate_size=fields["intermediate_size"],
        query_heads=heads,
        key_value_heads=fields.get("num_key_value_heads") or heads,
        head_dim=fields.get("head_dim") or hidden // heads,
        vocab_size=fields["vocab_size"],
        max_position_embeddings=fields.get("max_position_embeddings", 131_072),
        rms_norm_eps=fields.get("rms_norm_eps", 1e-5),
        rope_theta=float(fields.get("rope_theta") or rope.get("rope_theta") or 10_000.0),
        target_layers=None if "draft_vocab_size" in fields else fields.get("num_hidden_layers"),
        active_experts=fields.get("num_experts_per_tok") or 1,
    )


def load_architecture(spec: str | Path) -> DraftArchitecture:
    """A preset's name, or the path of a config.json (or of the folder that holds it)."""
    if isinstance(spec, str) and spec in PRESETS:
        return PRESETS[spec]
    path = Path(spec)
    path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"Draft architecture {spec!s} is neither a file nor a preset "
            f"({', '.join(sorted(PRESETS))})."
        )
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is not readable JSON ({error}).") from error
    if not isinstance(config, dict):
        raise InputError(
            f"{path} must hold one JSON object, but it holds a {type(config).__name__}."
        )
    return architecture_from_config(config, path.parent.name or path.name, str(path))


def with_vocab_size(architecture: DraftArchitecture, vocab_size: int) -> DraftArchitecture:
    """The same draft over another target vocabulary, when a corpus was counted with one."""
    return replace(architecture, vocab_size=vocab_size)


def _preset(name: str, layers: int, h: int, i: int, q: int, kv: int, d: int, v: int, **more: Any):
    return name, DraftArchitecture(name, h, i, q, kv, d, v, target_layers=layers, **more)


# Target shapes from the models' published config.json; the draft's one layer takes them over, as
# SpecForge derives a draft from its target.
PRESETS: dict[str, DraftArchitecture] = dict(
    (
        _preset("llama-3.1-8b", 32, 4096, 14336, 32, 8, 128, 128_256),
        _preset("llama-3.2-1b", 16, 2048, 8192, 32, 8, 64, 128_256),
        _preset("llama-3.2-3b", 28, 3072, 8192, 24, 8, 128, 128_256),
        _preset("llama-3.3-70b", 80, 8192, 28672, 64, 8, 128, 128_256),
        _preset("qwen3-4b", 36, 2560, 9728, 32, 8, 128, 151_936,
                max_position_embeddings=40_960, rms_norm_eps=1e-6, rope_theta=1e6),
        _preset("qwen3-8b", 36, 4096, 12288, 32, 8, 128, 151_936,
                max_position_embeddings=40_960, rms_norm_eps=1e-6, rope_theta=1e6),
        _preset("qwen3-32b", 64, 5120, 25600, 64, 8, 128, 151_936,
                max_position_embeddings=40_960, rms_norm_eps=1e-6, rope_theta=1e6),
        # gpt-oss's experts are 2,880 wide; a dense draft layer of that width is the nearest shape.
        _preset("gpt-oss-20b", 24, 2880, 2880, 64, 8, 64, 201_088,
                rope_theta=150_000.0, active_experts=4),
        _preset("mistral-nemo", 40, 5120, 14336, 32, 8, 128, 131_072,
                max_position_embeddings=131_072, rope_theta=1e6),
        _preset("gemma-3-4b", 34, 2560, 10240, 8, 4, 256, 262_208,
                rms_norm_eps=1e-6, rope_theta=1e6),
        _preset("gemma-3-12b", 48, 3840, 15360, 16, 8, 256, 262_208,
                rms_norm_eps=1e-6, rope_theta=1e6),
        _preset("gemma-3-27b", 62, 5376, 21504, 32, 16, 128, 262_208,
                rms_norm_eps=1e-6, rope_theta=1e6),
    )
)  # fmt: skip
