"""config.json files of all kinds: what is read, what is counted, against other implementations."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from helpers.preset_table import CONFIGS
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.draft_config import (
    architecture_from_config,
    fitted,
    kept_config,
    load_architecture,
    published,
)
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import ModelConfig, parse_config, read_config

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 24,
    "vocab_size": 700,
    "num_hidden_layers": 5,
}
WITHOUT_HEAD_DIM = {name: size for name, size in SMALL.items() if name != "head_dim"}
OF_FALCON = {
    name: size
    for name, size in SMALL.items()
    if name not in ("head_dim", "num_key_value_heads", "intermediate_size")
}
MIXTURE = {"moe_intermediate_size": 40, "num_experts_per_tok": 3}
LATENT = {
    "q_lora_rank": 20,
    "kv_lora_rank": 12,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 6,
    "num_key_value_heads": 4,
    "head_dim": None,
}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_num_value_heads": 4,
    "linear_value_head_dim": 8,
}
GLOBAL = {
    "global_head_dim": 32,
    "num_global_key_value_heads": 1,
    "attention_k_eq_v": True,
    "vocab_size_per_layer_input": 700,
}
# Small models of each family; what is not stated is transformers' default, as in real files.
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": SMALL,
    "qwen3": SMALL,
    "gemma3_text": SMALL,
    "phi3": {**SMALL, "pad_token_id": 0},
    "apertus": {**WITHOUT_HEAD_DIM, "pad_token_id": 0},
    "arcee": SMALL,
    "jais2": {**SMALL, "pad_token_id": 0},
    "nanochat": {**WITHOUT_HEAD_DIM, "pad_token_id": 0},
    "persimmon": {n: v for n, v in SMALL.items() if n not in ("head_dim", "num_key_value_heads")},
    "starcoder2": SMALL,
    "gpt_neox": {n: v for n, v in SMALL.items() if n not in ("head_dim", "num_key_value_heads")},
    "qwen2_moe": {
        **SMALL,
        **MIXTURE,
        "num_experts": 6,
        "shared_expert_intermediate_size": 56,
        "decoder_sparse_step": 2,
    },
    "qwen3_moe": {**SMALL, **MIXTURE, "num_experts": 6, "mlp_only_layers": [0, 3]},
    "mixtral": {**SMALL, "num_local_experts": 6, "num_experts_per_tok": 2},
    "gpt_oss": {**SMALL, "num_local_experts": 6, "num_experts_per_tok": 2},
    "llama4_text": {
        **SMALL,
        "intermediate_size_mlp": 72,
        "num_local_experts": 6,
        "num_experts_per_tok": 1,
        "interleave_moe_layer_step": 2,
    },
    "glm4_moe": {
        **SMALL,
        **MIXTURE,
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "first_k_dense_replace": 2,
    },
    "deepseek_v2": {
        **SMALL,
        **MIXTURE,
        **LATENT,
        "q_lora_rank": None,
        "n_routed_experts": 6,
        "n_shared_experts": 2,
        "first_k_dense_replace": 1,
    },
    "deepseek_v3": {
        **SMALL,
        **MIXTURE,
        **LATENT,
        "n_routed_experts": 6,
        "n_shared_experts": 1,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 3,
    },
    "qwen3_next": {
        **SMALL,
        **MIXTURE,
        **LINEAR,
        "num_experts": 6,
        "shared_expert_intermediate_size": 56,
    },
    "qwen3_5_moe_text": {
        **SMALL,
        **MIXTURE,
        **LINEAR,
        "num_experts": 6,
        "shared_expert_intermediate_size": 56,
    },
    "qwen3_5_text": {**SMALL, **LINEAR},
    "gemma4_text": {**SMALL, **GLOBAL, "num_hidden_layers": 6},
    "granitemoeshared": {
        **{name: size for name, size in SMALL.items() if name != "head_dim"},
        "num_local_experts": 6,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 56,
    },
    "exaone_moe": {
        **SMALL,
        **MIXTURE,
        "num_experts": 6,
        "num_shared_experts": 2,
        "mlp_layer_types": ["dense", *["sparse"] * 4],
    },
    "aria_text": {**SMALL, "moe_num_experts": 6, "moe_topk": 2, "moe_num_shared_experts": 3},
    "hunyuan_v1_moe": {
        **SMALL,
        "num_experts": 6,
        "moe_topk": 2,
        "pad_token_id": 0,
        "eos_token_id": 1,
    },
    "afmoe": {**SMALL, **MIXTURE, "num_experts": 6, "num_shared_experts": 2, "num_dense_layers": 1},
    "minimax_m3_vl_text": {
        **SMALL,
        "num_local_experts": 6,
        "num_experts_per_tok": 2,
        "dense_intermediate_size": 72,
        "n_shared_experts": 2,
        "mlp_layer_types": ["dense", *["sparse"] * 4],
    },
}
# As above, with layers of other kinds: the experts of Gemma 4 stand beside a dense feed-forward.
VARIANTS = {
    **{name: (name, fields) for name, fields in FAMILIES.items()},
    "falcon 7B": ("falcon", OF_FALCON),  # one key-value head
    "falcon 40B": ("falcon", {**OF_FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon 1B": ("falcon", {**OF_FALCON, "multi_query": False}),
    "gemma4_text with experts": (
        "gemma4_text",
        {
            **SMALL,
            **GLOBAL,
            "num_hidden_layers": 6,
            "hidden_size_per_layer_input": 0,
            "enable_moe_block": True,
            "num_experts": 6,
            "top_k_experts": 2,
            "moe_intermediate_size": 40,
        },
    ),
}


def weights_of(kind: str, fields: dict[str, Any], *, stored: bool = False) -> int:
    """Matrix weights that one token passes in transformers' own model, or that it holds."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(kind, **fields)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    count = 0
    for name, weight in model.named_parameters():
        last = name.rsplit(".", 2)
        if "embed" in name or "conv" in name or "router" in name or last[-2] in ("gate", "wg"):
            continue
        if "per_layer_model_projection" in name:  # of no layer
            continue
        if last[-2] == "shared_expert_gate" or weight.dim() < 2 or "bias" in last[-1]:
            continue
        if weight.dim() == 3:  # the experts of a layer in one tensor
            assert weight.shape[0] == 6
            names = ("num_experts_per_tok", "moe_topk", "top_k_experts")
            active = next(fields[name] for name in names if name in fields)
            count += weight.numel() // 6 * (6 if stored else active)
        else:
            count += weight.numel()
    tied = not any(
        name.endswith(("lm_head.weight", "embed_out.weight"))
        for name, _ in model.named_parameters()
    )
    return count + (config.hidden_size * config.vocab_size if tied else 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_target_reads_is_what_transformers_own_model_holds(variant):
    kind, fields = VARIANTS[variant]
    shape = architecture_from_config({"model_type": kind, **fields}, kind)
    assert shape.target_weights == weights_of(kind, fields)
    assert shape.memory_weights == weights_of(kind, fields, stored=True)


@pytest.mark.parametrize(("variant", "groups"), [("7B", 1), ("40B", 2), ("1B", 4)])
def test_the_cache_of_falcon_has_its_key_value_heads(variant, groups):
    kind, fields = VARIANTS[f"falcon {variant}"]
    shape = architecture_from_config({"model_type": kind, **fields}, kind)
    assert shape.target_cache_bytes(1) == 5 * 2 * groups * 16 * 2


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_cache_is_what_the_layers_of_the_config_keep(kind):
    """Against transformers' own config: layers by kind, heads, ranks and window."""
    from transformers import AutoConfig

    fields = FAMILIES[kind]
    shape = architecture_from_config({"model_type": kind, **fields}, kind)
    config = AutoConfig.for_model(kind, **fields)
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers

    def values(layer: int) -> int:
        own = config.per_layer_config[layer]
        if hasattr(own, "kv_lora_rank"):
            return own.kv_lora_rank + own.qk_rope_head_dim
        groups = getattr(own, "num_key_value_heads", None) or own.num_attention_heads
        return (
            2
            * groups
            * (getattr(own, "head_dim", None) or own.hidden_size // own.num_attention_heads)
        )

    for context in (10, 100_000):
        reach = {
            "full_attention": context,
            "sliding_attention": min(context, getattr(config, "sliding_window", None) or context),
            "chunked_attention": min(context, getattr(config, "attention_chunk_size", 0)),
            "linear_attention": 0,
        }
        assert shape.target_cache_bytes(context) == sum(
            2 * values(layer) * reach[kind] for layer, kind in enumerate(kinds)
        )


# --- presets by hand --------------------------------------------------------------------------


def matrices(*shapes: tuple[int, int]) -> int:
    return sum(rows * columns for rows, columns in shapes)


# The shapes of every matrix of a draft layer and its fusion, as (out, in), written from the draft
# configs that SpecForge publishes or, where there is none, from the target's config.json.
DRAFTS = {
    "llama-3.1-8b": [
        (4096, 3 * 4096),
        (4096, 8192),
        (1024, 8192),
        (1024, 8192),
        (4096, 4096),
        (14336, 4096),
        (14336, 4096),
        (4096, 14336),
    ],
    "llama-3.2-1b": [
        (2048, 3 * 2048),
        (2048, 4096),
        (512, 4096),
        (512, 4096),
        (2048, 2048),
        (8192, 2048),
        (8192, 2048),
        (2048, 8192),
    ],
    "llama-3.2-3b": [
        (3072, 3 * 3072),
        (3072, 6144),
        (1024, 6144),
        (1024, 6144),
        (3072, 3072),
        (8192, 3072),
        (8192, 3072),
        (3072, 8192),
    ],
    "llama-3.3-70b": [
        (8192, 3 * 8192),
        (8192, 16384),
        (1024, 16384),
        (1024, 16384),
        (8192, 8192),
        (28672, 8192),
        (28672, 8192),
        (8192, 28672),
    ],
    "qwen3-4b": [
        (2560, 3 * 2560),
        (4096, 5120),
        (1024, 5120),
        (1024, 5120),
        (2560, 4096),
        (9728, 2560),
        (9728, 2560),
        (2560, 9728),
    ],
    "qwen3-8b": [
        (4096, 3 * 4096),
        (4096, 8192),
        (1024, 8192),
        (1024, 8192),
        (4096, 4096),
        (12288, 4096),
        (12288, 4096),
        (4096, 12288),
    ],
    "qwen3-32b": [
        (5120, 3 * 5120),
        (8192, 10240),
        (1024, 10240),
        (1024, 10240),
        (5120, 8192),
        (25600, 5120),
        (25600, 5120),
        (5120, 25600),
    ],
    "qwen3-30b-a3b": [
        (2048, 3 * 2048),
        (4096, 4096),
        (512, 4096),
        (512, 4096),
        (2048, 4096),
        (12288, 2048),
        (12288, 2048),
        (2048, 12288),
    ],
    "qwen3-235b-a22b": [
        (4096, 3 * 4096),
        (8192, 8192),
        (512, 8192),
        (512, 8192),
        (4096, 8192),
        (24576, 4096),
        (24576, 4096),
        (4096, 24576),
    ],
    "qwen2.5-7b": [
        (3584, 3 * 3584),
        (3584, 7168),
        (512, 7168),
        (512, 7168),
        (3584, 3584),
        (18944, 3584),
        (18944, 3584),
        (3584, 18944),
    ],
    "gpt-oss-20b": [
        (2880, 3 * 2880),
        (4096, 5760),
        (512, 5760),
        (512, 5760),
        (2880, 4096),
        (17280, 2880),
        (17280, 2880),
        (2880, 17280),
    ],
    "gpt-oss-120b": [
        (2880, 3 * 2880),
        (4096, 5760),
        (512, 5760),
        (512, 5760),
        (2880, 4096),
        (17280, 2880),
        (17280, 2880),
        (2880, 17280),
    ],
    "mistral-nemo": [
        (5120, 3 * 5120),
        (4096, 10240),
        (1024, 10240),
        (1024, 10240),
        (5120, 4096),
        (14336, 5120),
        (14336, 5120),
        (5120, 14336),
    ],
    "gemma-3-4b": [
        (2560, 3 * 2560),
        (2048, 5120),
        (1024, 5120),
        (1024, 5120),
        (2560, 2048),
        (10240, 2560),
        (10240, 2560),
        (2560, 10240),
    ],
    "gemma-3-12b": [
        (3840, 3 * 3840),
        (4096, 7680),
        (2048, 7680),
        (2048, 7680),
        (3840, 4096),
        (15360, 3840),
        (15360, 3840),
        (3840, 15360),
    ],
    "gemma-3-27b": [
        (5376, 3 * 5376),
        (4096, 10752),
        (2048, 10752),
        (2048, 10752),
        (5376, 4096),
        (21504, 5376),
        (21504, 5376),
        (5376, 21504),
    ],
    "llama-4-scout": [
        (5120, 3 * 5120),
        (5120, 10240),
        (1024, 10240),
        (1024, 10240),
        (5120, 5120),
        (32768, 5120),
        (32768, 5120),
        (5120, 32768),
    ],
    "smollm2-135m": [
        (576, 3 * 576),
        (576, 1152),
        (192, 1152),
        (192, 1152),
        (576, 576),
        (1536, 576),
        (1536, 576),
        (576, 1536),
    ],
    "deepseek-v3": [
        (7168, 3 * 7168),
        (7168, 14336),
        (1024, 14336),
        (1024, 14336),
        (7168, 7168),
        (40960, 7168),
        (40960, 7168),
        (7168, 40960),
    ],
}
HEADS = {
    "llama-3.1-8b": (128_256, 4096),
    "llama-3.2-1b": (128_256, 2048),
    "llama-3.2-3b": (128_256, 3072),
    "llama-3.3-70b": (128_256, 8192),
    "qwen3-4b": (151_936, 2560),
    "qwen3-8b": (151_936, 4096),
    "qwen3-32b": (151_936, 5120),
    "qwen3-30b-a3b": (151_936, 2048),
    "qwen3-235b-a22b": (151_936, 4096),
    "qwen2.5-7b": (152_064, 3584),
    "gpt-oss-20b": (201_088, 2880),
    "gpt-oss-120b": (201_088, 2880),
    "mistral-nemo": (131_072, 5120),
    "gemma-3-4b": (262_208, 2560),
    "gemma-3-12b": (262_208, 3840),
    "gemma-3-27b": (262_208, 5376),
    "llama-4-scout": (202_048, 5120),
    "smollm2-135m": (49_152, 576),
    "deepseek-v3": (129_280, 7168),
}


def test_every_preset_is_counted_by_hand():
    assert set(DRAFTS) == set(HEADS)
    assert set(PRESETS) - set(DRAFTS) == set(json.loads(CONFIGS.read_text()))  # test_draft_presets


@pytest.mark.parametrize("name", DRAFTS)
def test_a_preset_costs_what_its_matrices_hold(name):
    preset = PRESETS[name]
    body = matrices(*DRAFTS[name])
    rows, width = HEADS[name]
    assert preset.flops(rows) == 2 * (body + rows * width)
    assert preset.step_bytes(13_264) == 2 * (body + 13_264 * width)


def test_the_head_of_gpt_oss_is_what_the_published_draft_leaves_it():
    preset = PRESETS["gpt-oss-20b"]
    assert 2 * 2880 * 201_088 / preset.flops(201_088) == pytest.approx(0.729, abs=5e-4)


# Parameters that one token passes, as the models' cards give them; embeddings count there and the
# input embedding does not here, so a card may be a little above.
@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("gpt-oss-20b", 3.6),
        ("gpt-oss-120b", 5.1),
        ("qwen3-30b-a3b", 3.3),
        ("qwen3-235b-a22b", 22),
        ("llama-4-scout", 17),
        ("deepseek-v3", 37),
        ("smollm2-135m", 0.1345),
        ("llama-3.1-8b", 8.03),
    ],
)
def test_presets_read_as_many_weights_as_their_targets_cards_say(name, billions):
    shape = PRESETS[name]
    embedding = shape.vocab_size * shape.hidden_size
    assert shape.target_weights is not None
    assert shape.target_weights - 5e7 <= billions * 1e9 <= 1.02 * (shape.target_weights + embedding)


# All parameters, in billions, as the cards give them: what a device must hold.
@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("gpt-oss-20b", 20.9),
        ("gpt-oss-120b", 116.8),
        ("qwen3-30b-a3b", 30.5),
        ("qwen3-235b-a22b", 235),
        ("llama-4-scout", 109),
        ("deepseek-v3", 671),
        ("llama-3.1-8b", 8.03),
    ],
)
def test_presets_hold_as_many_weights_as_their_targets_cards_say(name, billions):
    shape = PRESETS[name]
    embedding = shape.vocab_size * shape.hidden_size
    assert shape.memory_weights + embedding == pytest.approx(1e9 * billions, rel=0.03)


def test_the_cache_of_low_rank_attention_and_of_windows_by_hand():
    # DeepSeek V3: 512 + 64 values in 16 bits in each of 61 layers, 70 KB a token.
    assert PRESETS["deepseek-v3"].target_cache_bytes(1000) == 1000 * 61 * 576 * 2
    # gpt-oss-20b: 12 of 24 layers read 128 tokens at most; 2 x 8 heads of 64.
    layer = 2 * 2 * 8 * 64
    assert PRESETS["gpt-oss-20b"].target_cache_bytes(100) == 24 * layer * 100
    assert PRESETS["gpt-oss-20b"].target_cache_bytes(5000) == 12 * layer * (5000 + 128)
    # Gemma 3 27B: ten of 62 layers read all, the others 1,024.
    layer = 2 * 2 * 16 * 128
    assert PRESETS["gemma-3-27b"].target_cache_bytes(8192) == layer * (10 * 8192 + 52 * 1024)


def test_rows_with_experts_of_their_own_read_more_and_at_most_all():
    shape = PRESETS["qwen3-30b-a3b"]
    active = shape.target_weights
    assert active is not None
    assert shape.read_weights(1) == active
    # Two rows of 8 of 128 share half an expert on average: 15.5 experts of 3 x 2048 x 768.
    experts = 48 * 3 * 2048 * 768
    assert shape.read_weights(2) == pytest.approx(active + 7.5 * experts, rel=1e-9)
    assert shape.read_weights(10_000) == pytest.approx(shape.memory_weights, rel=1e-9)
    dense = PRESETS["llama-3.1-8b"]
    assert dense.read_weights(4) == dense.target_weights == dense.memory_weights


# --- drafts -----------------------------------------------------------------------------------


DRAFT = {
    **SMALL,
    "architectures": ["LlamaForCausalLMEagle3"],
    "model_type": "llama",
    "num_hidden_layers": 1,
    "draft_vocab_size": 100,
    "pad_token_id": 0,
}


@pytest.mark.parametrize(
    "change", [{}, {"target_hidden_size": 160}, {"head_dim": None}, {"num_key_value_heads": 4}]
)
def test_a_draft_costs_what_specforges_own_class_holds(change, tmp_path):
    torch = pytest.importorskip("torch")
    auto = pytest.importorskip("specforge.modeling.auto")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({n: v for n, v in (DRAFT | change).items() if v is not None}))
    shape = load_architecture(path)
    with torch.device("meta"):
        draft = auto.AutoDraftModel.from_config(auto.AutoDraftModelConfig.from_file(str(path)))
    held = {name: w.numel() for name, w in draft.named_parameters() if w.dim() == 2}
    held = {name: n for name, n in held.items() if "embed" not in name}
    assert sum(shape.breakdown(100).values()) == sum(held.values())
    assert shape.weights["Feature fusion"] == held["fc.weight"]
    again = architecture_from_config(shape.draft_config(100), shape.name)
    assert again.breakdown(100) == shape.breakdown(100)


NOT_BY_SPECFORGE = ("gpt_neox", "qwen3_5_moe_text", "gemma4_text")  # its generator fails on these


@pytest.mark.parametrize("kind", [k for k in FAMILIES if k not in NOT_BY_SPECFORGE])
def test_a_targets_draft_has_the_shapes_that_specforge_derives(kind, tmp_path):
    pytest.importorskip("torch")
    loading = pytest.importorskip("specforge.training.model_loading")
    fields = {"model_type": kind, **FAMILIES[kind]}
    (tmp_path / "config.json").write_text(json.dumps(fields))

    class Run:  # what the generator reads of a run file
        class training:  # noqa: N801
            strategy = "eagle3"

        class model:  # noqa: N801
            target_model_path, cache_dir, trust_remote_code = str(tmp_path), None, False

    class Provider:
        architecture = "LlamaForCausalLMEagle3"

        class target_defaults:  # noqa: N801
            model_type, num_hidden_layers, draft_vocab_size, populate = "llama", 1, 32_000, None

    theirs = loading._generate_draft_config(Run, Provider)
    ours = architecture_from_config(fields, kind).draft_config(100)
    for name in (
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "vocab_size",
    ):
        assert ours[name] == getattr(theirs, name), name


def test_drafts_of_other_kinds_are_counted_matrix_by_matrix():
    h, f = 64, 96
    two = architecture_from_config({**DRAFT, "num_hidden_layers": 2}, "two")
    first, second = ([(96, n), (48, n), (48, n), (64, 96)] for n in (2 * h, h))
    feed = [(f, h), (f, h), (h, f)]
    assert two.weights["Attention"] == matrices(*first, *second)
    assert two.weights["Feed-forward"] == 2 * matrices(*feed)

    mixture = {**DRAFT, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 40}
    found = architecture_from_config(mixture, "mixture")
    assert found.weights["Feed-forward"] == 2 * matrices((40, h), (40, h), (h, 40))

    latent = architecture_from_config({**DRAFT, **LATENT}, "latent")
    assert latent.weights["Attention"] == matrices(
        (20, 2 * h), (4 * 12, 20), (12 + 4, 2 * h), (4 * (8 + 6), 12), (h, 4 * 6)
    )
    for shape, kind in (
        (two, "2 layers"),
        (found, "2 experts per token"),
        (latent, "low-rank attention"),
    ):
        with pytest.raises(InputError, match=f"draft of {kind}, and SpecForge"):
            shape.draft_config(100)
    mixed = {**mixture, "num_hidden_layers": 2, "first_k_dense_replace": 1}
    with pytest.raises(InputError, match="widths of 80, 96"):
        architecture_from_config(mixed, "mixed")


def test_a_draft_of_a_wider_target_reads_its_three_states():
    config = {
        "architectures": ["LlamaForCausalLMEagle3"],
        "draft_vocab_size": 32_000,
        "hidden_size": 2048,
        "target_hidden_size": 5120,
        "intermediate_size": 8192,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "num_hidden_layers": 1,
        "vocab_size": 151_936,
    }
    shape = architecture_from_config(config, "wide")
    assert shape.weights["Feature fusion"] == 3 * 5120 * 2048
    body = matrices(
        (2048, 3 * 5120),
        (2048, 4096),
        (512, 4096),
        (512, 4096),
        (2048, 2048),
        (8192, 2048),
        (8192, 2048),
        (2048, 8192),
    )
    by_hand = 1 - (body + 2048 * 5761) / (body + 2048 * 151_936)
    assert shape.latency_reduction(5761) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.7306, abs=5e-5)
    assert shape.draft_config(5761)["target_hidden_size"] == 5120


LISTED = "eagle_aux_hidden_state_layer_ids"


@pytest.mark.parametrize(
    ("lists", "layers"),
    [
        ({}, 3),
        ({LISTED: [2, 15, 27]}, 3),
        ({LISTED: [15]}, 1),
        ({"eagle_config": {LISTED: [1, 8, 14, 20, 26]}}, 5),
        ({"vocabtrim_aux_layers": [1, 14], LISTED: [2, 15]}, 2),
        ({"eagle_config": None, LISTED: []}, 3),
    ],
)
@pytest.mark.parametrize("architecture", ["LlamaForCausalLMEagle3", "PEagleDraftModel"])
@pytest.mark.parametrize("wide", [None, 99])
@pytest.mark.parametrize("nested", [False, True])
def test_the_fusion_reads_the_layers_that_the_config_lists(
    lists, layers, architecture, wide, nested
):
    body = {**DRAFT, "architectures": [architecture], "target_hidden_size": wide}
    config = {**body, **lists}
    if nested:
        config = {"draft_vocab_size": 100, "transformer_layer_config": body, **lists}
        config |= {"architectures": [architecture], "target_hidden_size": wide}
    shape = architecture_from_config(config, "d")
    assert shape.weights["Feature fusion"] == matrices((64, layers * (wide or 64)))
    assert architecture_from_config(kept_config(shape), "d") == shape
    if layers != 3 and architecture.startswith("Llama"):
        with pytest.raises(InputError, match=f"a fusion of {layers} layers"):
            shape.draft_config(100)


def test_a_config_that_lists_two_different_fusions_is_refused():
    lists = {LISTED: [1, 2], "eagle_config": {LISTED: [1, 2, 3]}}
    for wrong, message in ((lists, "different layers"), ({LISTED: 3}, "list of layer numbers")):
        with pytest.raises(InputError, match=message):
            architecture_from_config({**DRAFT, **wrong}, "d")


# --- targets ----------------------------------------------------------------------------------


def test_eight_experts_of_768_read_as_much_as_one_feed_forward_of_6144():
    same = {
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "num_hidden_layers": 48,
        "vocab_size": 151_936,
    }
    mixture = {
        **same,
        "model_type": "qwen3_moe",
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
    }
    dense = architecture_from_config({**same, "architectures": ["Qwen3ForCausalLM"]}, "dense")
    experts = architecture_from_config(mixture, "experts")
    assert dense.target_weights == experts.target_weights
    assert dense.breakdown(1000) == experts.breakdown(1000)
    assert published(dense) == published(PRESETS["llama-3.1-8b"]) == ""
    assert "which is the preset qwen3-30b-a3b" in published(experts)
    assert "12,288" in published(experts)


TEXT = {"model_type": "qwen3", **SMALL}
NESTINGS: dict[str, dict[str, Any]] = {
    "flat": TEXT,
    "text_config": {"model_type": "qwen3_vl", "text_config": TEXT, "vision_config": {"depth": 2}},
    "llm_config": {"model_type": "internvl_chat", "llm_config": TEXT, "hidden_size": 999},
    "language_config": {"model_type": "deepseek_vl_v2", "language_config": TEXT},
    "two deep": {"model_type": "qwen3_omni_moe", "thinker_config": {"text_config": TEXT}},
    "speculators": {
        "speculators_model_type": "eagle3",
        "target_hidden_size": None,
        "draft_vocab_size": 100,
        "architectures": ["Eagle3Speculator"],
        "transformer_layer_config": {**TEXT, "num_hidden_layers": 1},
    },
}


@pytest.mark.parametrize("name", NESTINGS)
def test_every_reader_finds_the_language_model_wherever_it_stands(name, tmp_path):
    from safetensors.numpy import save_file

    from vocabtrim_core.drafts.checkpoint import open_checkpoint
    from vocabtrim_core.serving.configurations import draft_size
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    (tmp_path / "config.json").write_text(json.dumps(NESTINGS[name]))
    shape = load_architecture(tmp_path)
    flat = architecture_from_config(TEXT, "flat")
    assert shape.vocab_size == 700
    assert shape.weights == flat.weights
    assert draft_size(tmp_path) == (100 if name == "speculators" else 700)

    np = pytest.importorskip("numpy")
    save_file({"x": np.zeros((2, 2), np.float32)}, tmp_path / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    assert (checkpoint.size("vocab_size"), checkpoint.size("hidden_size")) == (700, 64)
    assert checkpoint.size("num_hidden_layers") == (1 if name == "speculators" else 5)

    from helpers.tokenizer_makers import byte_level, write_folder

    folder = write_folder(tmp_path / "tokenizer", byte_level([]))
    assert load_tokenizer(folder, config=tmp_path / "config.json").vocab_size == 700


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {
                "model_type": "gemma3",
                "text_config": {
                    "hidden_size": 2560,
                    "intermediate_size": 10240,
                    "num_hidden_layers": 34,
                },
            },
            PRESETS["gemma-3-4b"],
        ),
        (
            {
                "model_type": "gemma3",
                "text_config": {
                    "model_type": "gemma3_text",
                    "hidden_size": 2560,
                    "intermediate_size": 10240,
                    "num_hidden_layers": 34,
                },
            },
            PRESETS["gemma-3-4b"],
        ),
        (
            {
                "model_type": "mistral",
                "vocab_size": 131_072,
                "hidden_size": 5120,
                "head_dim": 128,
                "num_hidden_layers": 40,
                "rope_theta": 1e6,
                "rms_norm_eps": 1e-5,
            },
            PRESETS["mistral-nemo"],
        ),
    ],
)
def test_what_a_config_leaves_out_is_transformers_default(config, expected):
    found = architecture_from_config(config, expected.name)
    assert found.breakdown(1000) == expected.breakdown(1000)
    assert found.target_weights == expected.target_weights
    assert (found.vocab_size, found.rms_norm_eps, found.rope_theta) == (
        expected.vocab_size,
        expected.rms_norm_eps,
        expected.rope_theta,
    )


def test_a_tied_head_is_the_models_not_its_sections():
    assert ModelConfig({"model_type": "gemma3", "text_config": {}}, "c").get("tie_word_embeddings")
    told = {"tie_word_embeddings": False, "text_config": {"tie_word_embeddings": True}}
    assert ModelConfig(told, "c").get("tie_word_embeddings") is False
    assert ModelConfig({"text_config": {"tie_word_embeddings": True}}, "c").get(
        "tie_word_embeddings"
    )


def test_no_code_that_a_config_names_is_loaded(tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('loaded')")
    config = {"model_type": "llama", "auto_map": {"AutoConfig": "evil.Config"}, **SMALL}
    (tmp_path / "config.json").write_text(json.dumps({**config, "head_dim": None}))
    assert load_architecture(tmp_path).head_dim == 16


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            ({name: value}, rf"^c\.json: {name} must be a whole positive number up to 16,777,216")
            for name in (
                "hidden_size",
                "intermediate_size",
                "num_attention_heads",
                "head_dim",
                "num_key_value_heads",
                "vocab_size",
            )
            for value in (2**63, 0, -4, "64", 6.5, True, [64], {"a": 1})
        ),
        ({"num_hidden_layers": 2**63}, "num_hidden_layers must be a whole positive number"),
        ({"num_hidden_layers": 10_001}, "num_hidden_layers must be a whole .* up to 10,000"),
        ({"rope_theta": "big"}, "rope_theta must be a positive number"),
        ({"rms_norm_eps": -1e-6}, "rms_norm_eps must be a positive number"),
        ({"rope_parameters": {"rope_theta": "x"}}, "rope_parameters: rope_theta must be"),
        ({"max_position_embeddings": "long"}, "max_position_embeddings must be a positive number"),
        (
            {
                "hidden_size": 2**24,
                "intermediate_size": 2**24,
                "vocab_size": 2**24,
                "num_attention_heads": 2**24,
                "head_dim": 2**24,
            },
            "which is no model",
        ),
        ({"num_experts": 8, "num_experts_per_tok": -2}, "num_experts_per_tok must be a whole"),
        ({"kv_lora_rank": 8}, "has no 'qk_nope_head_dim'"),
    ],
)
def test_wrong_fields_are_refused_in_one_sentence(change, message):
    content = json.dumps({**SMALL, **change}).encode()
    with pytest.raises(InputError, match=message) as raised:
        architecture_from_config(parse_config(content, "c.json"), "c.json")
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "missing", ["hidden_size", "intermediate_size", "num_attention_heads", "vocab_size"]
)
@pytest.mark.parametrize("kind", [None, "never_heard_of", 3, ["qwen3"]])
def test_a_field_that_nobody_knows_is_named(missing, kind):
    config = {name: value for name, value in SMALL.items() if name != missing}
    with pytest.raises(InputError, match=f"has no '{missing}'"):
        architecture_from_config({**config, "model_type": kind}, "c.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not readable JSON"),
        (b"[]", "not a list"),
        (b"\xff\xfe", "not readable JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"3", "not a int"),
    ],
)
def test_what_is_no_config_is_refused(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_config(path)
    with pytest.raises(InputError, match=r"has no config\.json"):
        read_config(tmp_path / "nowhere" / "config.json")


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**70),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers()),
)
NAMES = sorted(
    {name for fields in FAMILIES.values() for name in fields}
    | {
        "layer_types",
        "mlp_layer_types",
        "moe_layers",
        "rope_parameters",
        "architectures",
        "draft_vocab_size",
        "target_hidden_size",
        "text_config",
        "llm_config",
        "max_position_embeddings",
    }
)


@given(
    st.sampled_from([None, *FAMILIES]), st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=4)
)
@settings(max_examples=400, deadline=None)
def test_any_values_give_a_shape_or_a_sentence(kind, changed):
    fields = {**FAMILIES.get(kind or "llama", SMALL), **changed, "model_type": kind}
    try:
        shape = architecture_from_config(fields, "c.json")
    except InputError as error:
        sentence = str(error)
    else:
        sentence = ""
    if sentence:
        assert len(sentence.splitlines()) == 1
        return
    assert shape.flops(shape.vocab_size) > 0
    assert shape.target_weights is None or shape.target_weights > 0


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text", "gemma3", "gpt_oss"])
@pytest.mark.parametrize("name", ["num_hidden_layers", "num_labels", "num_nextn_predict_layers"])
@pytest.mark.parametrize("value", [10**9, 2**62, 10**400])
def test_a_length_takes_no_memory(kind, name, value):
    """transformers' classes make a list or a dictionary that is as long as these say."""
    config = {"model_type": kind, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 1000}
    with suppress(InputError):
        assert architecture_from_config({**config, name: value}, "c.json").hidden_size == 64


def test_a_config_that_transformers_refuses_says_why():
    config = {"model_type": "llama", "num_attention_heads": "many", "vocab_size": 5}
    with pytest.raises(InputError, match="num_attention_heads") as raised:
        architecture_from_config(config, "c.json")
    assert len(str(raised.value).splitlines()) == 1


# --- shapes of ours ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        *PRESETS.values(),
        ({**DRAFT, **LATENT, "target_hidden_size": 99}, "latent"),
        ({"model_type": "deepseek_v3", **FAMILIES["deepseek_v3"]}, "d"),
    ],
    ids=lambda shape: shape[1] if isinstance(shape, tuple) else shape.name,
)
def test_shapes_survive_their_file(tmp_path, shape: DraftArchitecture | tuple[dict, str]):
    shape = architecture_from_config(*shape) if isinstance(shape, tuple) else shape
    path = tmp_path / "shape.json"
    path.write_text(json.dumps(kept_config(shape)))
    assert load_architecture(path) == shape


def test_shapes_over_another_v_say_so():
    shape = PRESETS["llama-3.1-8b"]
    assert fitted(shape, 128_256) == (shape, "")
    over, note = fitted(shape, 151_936)
    assert (over.vocab_size, over.weights) == (151_936, shape.weights)
    assert "has V = 128,256; its shapes are used here with the counted tokenizer's 151,936" in note


def test_a_number_that_is_given_for_every_layer_alike_is_one():
    """Hunyuan lists a size per layer; where layers differ there is no one size, which is said."""
    fields = {"model_type": "hunyuan_v1_moe", **SMALL, "num_experts": 8}
    alone = architecture_from_config({**fields, "moe_topk": 2, "moe_intermediate_size": 64}, "one")
    listed = {**fields, "moe_topk": [2] * 4, "moe_intermediate_size": [64] * 4}
    assert architecture_from_config(listed, "list").breakdown(100) == alone.breakdown(100)
    assert architecture_from_config(listed, "list").target_weights == alone.target_weights
    with pytest.raises(InputError, match="number"):
        architecture_from_config({**listed, "moe_topk": [2, 2, 4, 4]}, "differs")
