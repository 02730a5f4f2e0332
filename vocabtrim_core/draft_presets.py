"""Draft architectures by name: the shapes of published drafts, or derived from their targets.

The first are written out here; `draft_presets.json` has the others, with where each comes from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.layer_cache import TargetCache
from vocabtrim_core.layer_weights import LatentAttention


def _preset(name: str, layers: int, h: int, i: int, q: int, kv: int, d: int, v: int, **fields: Any):
    return name, DraftArchitecture(name, h, i, q, kv, d, v, target_layers=layers, **fields)


def _experts(
    layers: int,
    attention: int,
    h: int,
    width: int,
    active: int,
    stored: int,
    *,
    shared: int = 0,
    dense: tuple[int, int] = (0, 0),
) -> dict[str, int]:
    """Experts and weights of a mixture-of-experts target, as keywords of DraftArchitecture.

    Args:
        layers: Decoder layers.
        attention: Weights of one attention.
        h: H.
        width: Width of an expert.
        active: Experts that a token passes in each layer.
        stored: Experts that a layer chooses from.
        shared: Experts that every token passes beside them.
        dense: Layers without experts, and the width of theirs.

    Returns:
        Number of experts, and weights of the layers with a token's experts and with all.
    """

    def weights(experts: int) -> int:
        sparse = (layers - dense[0]) * (experts + shared) * width
        return layers * attention + 3 * h * (sparse + dense[0] * dense[1])

    return {
        "active_experts": active,
        "stored_experts": stored,
        "target_layer_weights": weights(active),
        "stored_layer_weights": weights(stored),
    }


QWEN3 = {"max_position_embeddings": 40_960, "rms_norm_eps": 1e-6, "rope_theta": 1e6}
QWEN3_30B = {
    **QWEN3,
    **_experts(48, 2048 * 128 * (2 * 32 + 2 * 4), 2048, 768, 8, 128),
}
QWEN3_235B = {
    **QWEN3,
    **_experts(94, 4096 * 128 * (2 * 64 + 2 * 4), 4096, 1536, 8, 128),
}
QWEN2_5 = {"max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "rope_theta": 1e6}
GEMMA3 = {"rms_norm_eps": 1e-6, "rope_theta": 1e6}
GPT_OSS_LAYER = (2880 * 64 * (2 * 64 + 2 * 8), 2880, 2880, 4)


def _gpt_oss(layers: int, stored: int) -> dict[str, Any]:
    """Every second layer reads the last 128 tokens only."""
    half = layers // 2 * 2 * 2 * 8 * 64
    return {
        "rope_theta": 150_000.0,
        **_experts(layers, *GPT_OSS_LAYER, stored),
        "cache": TargetCache(half, half, 128),
    }


def _gemma_3(layers: int, groups: int, dim: int) -> dict[str, Any]:
    """Every sixth layer reads the whole context, the others the last 1,024 tokens."""
    whole, layer = layers // 6, 2 * 2 * groups * dim
    return {**GEMMA3, "cache": TargetCache(whole * layer, (layers - whole) * layer, 1024)}


# One expert of 8,192 and a shared one in every layer.
LLAMA_4_SCOUT = _experts(48, 5120 * 128 * (2 * 40 + 2 * 8), 5120, 8192, 1, 16, shared=1)
# Low-rank attention; three dense layers of 18,432, then 8 experts and a shared one.
DEEPSEEK_V3 = {
    "max_position_embeddings": 163_840,
    **_experts(
        layers=61,
        attention=LatentAttention(1536, 512, 128, 64, 128).weights(7168, 7168, 128),
        h=7168,
        width=2048,
        active=8,
        stored=256,
        shared=1,
        dense=(3, 18432),
    ),
    "cache": TargetCache(61 * 2 * (512 + 64)),
}

SMOLLM2 = {"max_position_embeddings": 8192, "rope_theta": 1e5}

PAPER_DRAFT = "llama-3.1-8b"  # the paper's own, at its V the default among several
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
        _preset("gpt-oss-20b", 24, 2880, 17280, 64, 8, 64, 201_088, **_gpt_oss(24, 32)),
        _preset("gpt-oss-120b", 36, 2880, 17280, 64, 8, 64, 201_088, **_gpt_oss(36, 128)),
        _preset("mistral-nemo", 40, 5120, 14336, 32, 8, 128, 131_072, rope_theta=1e6),
        _preset("gemma-3-4b", 34, 2560, 10240, 8, 4, 256, 262_208, **_gemma_3(34, 4, 256)),
        _preset("gemma-3-12b", 48, 3840, 15360, 16, 8, 256, 262_208, **_gemma_3(48, 8, 256)),
        _preset("gemma-3-27b", 62, 5376, 21504, 32, 16, 128, 262_208, **_gemma_3(62, 16, 128)),
        _preset("llama-4-scout", 48, 5120, 32768, 40, 8, 128, 202_048, **LLAMA_4_SCOUT),
        _preset("smollm2-135m", 30, 576, 1536, 9, 3, 64, 49_152, **SMOLLM2),
        _preset("deepseek-v3", 61, 7168, 40960, 56, 8, 128, 129_280, **DEEPSEEK_V3),
    )
)


class Published(NamedTuple):
    """What is public about a preset.

    Attributes:
        source: Where its shapes come from.
        draft_vocab_size: Size of the published draft's vocabulary, None where none is published.
    """

    source: str
    draft_vocab_size: int | None = None


_TABLE = json.loads((Path(__file__).parent / "draft_presets.json").read_text())
PUBLISHED = {name: Published(source, size) for name, (size, source) in _TABLE["published"].items()}
for _name, _row in _TABLE["presets"].items():
    PRESETS[_name] = msgspec.convert(_row["shape"], DraftArchitecture)
    PUBLISHED[_name] = Published(_row["source"], _row["draft_vocab_size"])
