"""Presets of the table: counted again by hand from their configs, and against public figures."""

import json

import pytest
from helpers.preset_table import CONFIGS, row_of

from vocabtrim_core.draft_config import preset_of, presets_of
from vocabtrim_core.draft_kinds import KINDS
from vocabtrim_core.draft_presets import PRESETS, PUBLISHED

ENTRIES = json.loads(CONFIGS.read_text())


def attention(c, read, gate=1):
    """Weights of one attention, from a config alone."""
    h, heads = c["hidden_size"], c["num_attention_heads"]
    if "kv_lora_rank" in c:
        rank, kv, nope, rope, value = (
            c[name]
            for name in (
                "q_lora_rank",
                "kv_lora_rank",
                "qk_nope_head_dim",
                "qk_rope_head_dim",
                "v_head_dim",
            )
        )
        queries = read * rank + rank * heads * (nope + rope)
        keys_and_values = read * (kv + rope) + kv * heads * (nope + value)
        return queries + keys_and_values + heads * value * h
    dim = c.get("head_dim", h // heads)
    projections = gate * heads * dim + 2 * c["num_key_value_heads"] * dim
    return read * projections + heads * dim * h


def experts(c, count):
    shared = c.get("n_shared_experts", 0) * c["moe_intermediate_size"]
    shared += c.get("shared_expert_intermediate_size", 0)
    return 3 * c["hidden_size"] * (count * c["moe_intermediate_size"] + shared)


def all_of(c):
    return c.get("n_routed_experts", c.get("num_experts", 0))


def llama4(c, layer, stored):
    """Every second layer has experts as wide as its shared one, the others a wider one."""
    if (layer + 1) % c["interleave_moe_layer_step"]:
        return 3 * c["hidden_size"] * c["intermediate_size_mlp"]
    count = c["num_local_experts"] if stored else c["num_experts_per_tok"]
    return 3 * c["hidden_size"] * (count + 1) * c["intermediate_size"]


def feed_forward(c, mixture, stored=False):
    if mixture and all_of(c):
        return experts(c, all_of(c) if stored else c["num_experts_per_tok"])
    return 3 * c["hidden_size"] * c["intermediate_size"]


def gated(c):
    return 2 if c.get("attn_output_gate") else 1


def target_layers(c, stored=False):
    """Weights of a target's layers."""
    h, total = c["hidden_size"], 0
    for layer in range(c["num_hidden_layers"]):
        if c.get("layer_types", ["full_attention"] * 999)[layer] == "linear_attention":
            keys = c["linear_num_key_heads"] * c["linear_key_head_dim"]
            values = c["linear_num_value_heads"] * c["linear_value_head_dim"]
            scalars = 2 * c["linear_num_value_heads"]
            total += h * (2 * keys + 2 * values + scalars) + values * h
        else:
            total += attention(c, h, gated(c))
        total += (
            llama4(c, layer, stored)
            if "interleave_moe_layer_step" in c
            else feed_forward(c, layer >= c.get("first_k_dense_replace", 0), stored)
        )
    return total


def draft_weights(entry):
    """Weights of a draft before its head: the kind's formula, from the config alone."""
    kind, c = entry["kind"], entry["draft"] or entry["target"]
    h = c["hidden_size"]
    plain = attention(c, h) + 3 * h * c["intermediate_size"]
    layers = c.get("num_hidden_layers", 1) if entry["draft"] else 1  # derived: a single one
    if kind == "mtp":
        return 2 * h * h + attention(c, h, gated(c)) + feed_forward(c, True)
    if kind == "eagle":
        return 2 * h * h + plain
    if kind == "standalone":
        return layers * plain
    if kind in ("dflash", "dspark"):
        return len(c["dflash_config"]["target_layer_ids"]) * h * h + layers * plain
    first = attention(c, 2 * h) + 3 * h * c["intermediate_size"]
    return 3 * h * h + first + (layers - 1) * plain


@pytest.mark.parametrize("name", ENTRIES)
def test_a_preset_of_the_table_by_hand(name):
    entry, shape = ENTRIES[name], PRESETS[name]
    c = entry["draft"] or entry["target"]
    markov = c.get("dflash_config", {}).get("markov_rank", 0)
    width, body = c["hidden_size"] + markov, draft_weights(entry)
    for k in (13_264, c["vocab_size"]):
        assert shape.flops(k) == 2 * (body + width * k)
        assert shape.step_bytes(k) == 2 * (body + width * k)
        parallel = entry["kind"] in ("p-eagle", "dflash", "dspark")
        passes = 1 if parallel else 4
        by_hand = 2 * (passes * (body + c["hidden_size"] * k) + 4 * markov * k)
        assert sum(shape.cycle_bytes(k, 4).values()) == by_hand
    assert shape.vocab_size == c["vocab_size"]
    assert PUBLISHED[name].draft_vocab_size == (entry["draft"] or {}).get("draft_vocab_size")
    assert PUBLISHED[name].source == entry["source"]


@pytest.mark.parametrize("name", [n for n, entry in ENTRIES.items() if entry["target"]])
def test_the_target_of_a_preset_by_hand(name):
    c, shape = ENTRIES[name]["target"], PRESETS[name]
    head = c["vocab_size"] * c["hidden_size"]
    assert shape.target_layers == c["num_hidden_layers"]
    assert shape.target_weights == target_layers(c) + head
    assert shape.memory_weights == target_layers(c, stored=True) + head
    if "kv_lora_rank" in c:
        cached = c["num_hidden_layers"] * 2 * (c["kv_lora_rank"] + c["qk_rope_head_dim"])
    else:
        full = c.get("layer_types", ["full_attention"] * c["num_hidden_layers"]).count(
            "full_attention"
        )
        cached = full * 2 * 2 * c["num_key_value_heads"] * c["head_dim"]
    assert shape.target_cache_bytes(1000) == 1000 * cached


@pytest.mark.parametrize("name", ENTRIES)
def test_the_table_is_what_its_configs_give(name):
    table = json.loads((CONFIGS.parents[2] / "vocabtrim_core/draft_presets.json").read_text())
    assert table["presets"][name] == json.loads(json.dumps(row_of(name, ENTRIES[name])))


def test_every_preset_says_its_kind_and_published_sizes_are_of_presets():
    assert all(shape.kind in KINDS and shape.name == name for name, shape in PRESETS.items())
    assert set(PUBLISHED) <= set(PRESETS)
    assert PUBLISHED["qwen2.5-7b"].draft_vocab_size == 16_000


def test_a_preset_is_never_one_of_several():
    """The only one with a V, or the paper's own; else it has to be named."""
    assert preset_of(128_256) is PRESETS["llama-3.1-8b"]
    assert preset_of(49_152) is PRESETS["smollm2-135m"]
    for size in {shape.vocab_size for shape in PRESETS.values()} - {128_256}:
        same = [shape for shape in PRESETS.values() if shape.vocab_size == size]
        assert preset_of(size) is (same[0] if len(same) == 1 else None)
        assert presets_of(size) == [shape.name for shape in same]
    assert preset_of(1234) is None


# All parameters, in billions, as the models' cards give them.
@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("qwen3.8-27b-mtp", 27),
        ("qwen3.6-35b-a3b-mtp", 35),
        ("qwen3-next-80b-a3b-mtp", 80),
        ("deepseek-v3-mtp", 671),
        ("glm-4.5-mtp", 355),
        ("glm-4.5-air-mtp", 106),
        ("glm-5-mtp", 744),
        ("mimo-7b-mtp", 7.8),
    ],
)
def test_targets_hold_as_many_weights_as_their_cards_say(name, billions):
    shape = PRESETS[name]
    embedding = shape.vocab_size * shape.hidden_size
    assert shape.memory_weights + embedding == pytest.approx(1e9 * billions, rel=0.03)


# Share of the head in the bytes of layer and head, without the fusion, at V, 32,000 and 13,264.
@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("llama-3.1-8b", (68, 35, 18)),
        ("llama-3.3-70b", (53, 22, 10)),
        ("qwen3-8b", (74, 38, 20)),
        ("qwen3-32b", (59, 23, 11)),
        ("qwen3-235b-a22b", (60, 24, 12)),
        ("qwen3-coder-480b-a35b", (63, 26, 13)),
        ("qwen3.5-35b-a3b", (80, 34, 17)),
        ("gpt-oss-120b", (75, 33, 17)),
        ("llama-4-scout", (63, 21, 10)),
        ("gemma-3-1b", (91, 56, 35)),
        ("deepseek-v3", (47, 18, 8)),
        ("ling-flash-2.0", (73, 35, 18)),
        ("phi-4", (57, 30, 15)),
    ],
)
def test_shares_of_the_head_in_public_drafts(name, shares):
    shape = PRESETS[name]
    for k, share in zip((shape.vocab_size, 32_000, 13_264), shares, strict=True):
        read = shape.cycle_bytes(k, 3)
        without = sum(read.values()) - read["Feature fusion"]
        assert 100 * read["LM head"] / without == pytest.approx(share, abs=0.75)


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [("glm-5-mtp", 1.90), ("kimi-k3-dspark", 2.35), ("qwen3.8-27b-mtp", 2.54)],
)
def test_full_heads_in_16_bits(name, gigabytes):
    shape = PRESETS[name]
    assert shape.cycle_bytes(shape.vocab_size, 1)["LM head"] / 1e9 == pytest.approx(
        gigabytes, abs=0.005
    )
