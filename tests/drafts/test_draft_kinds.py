"""Kinds of draft heads: weights, bytes of a cycle and memory, counted by hand from configs."""

import json
from argparse import ArgumentParser
from dataclasses import replace

import numpy as np
import pytest

from vocabtrim_core.draft_config import (
    architecture_from_config,
    borrowed,
    kept_config,
    load_architecture,
)
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds import KINDS, TRIMMED
from vocabtrim_core.draft_kinds.precision import WeightBytes
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.bundle import export
from vocabtrim_core.exports.exporter import ExportContext
from vocabtrim_core.fields.leaf import Leaf, ReadContext
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.devices import HARDWARE, device
from vocabtrim_core.forecast.inputs import Acceptance
from vocabtrim_core.forecast.other_kinds import of_kind
from vocabtrim_core.forecast.roofline import roofline
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.selection_spec.draft_kind import DRAFT
from vocabtrim_core.vocabulary import DraftVocabulary

V, K, DEPTH = 600, 100, 5
H, WIDTH, Q, KV, D = 64, 96, 4, 2, 16  # hidden, feed-forward, heads of queries, of keys, width
QUERIES, KEYS = Q * D, KV * D
PLAIN_LAYER = H * (QUERIES + 2 * KEYS) + QUERIES * H + 3 * H * WIDTH
WIDE_LAYER = 2 * H * (QUERIES + 2 * KEYS) + QUERIES * H + 3 * H * WIDTH
SHAPES = {
    "hidden_size": H,
    "intermediate_size": WIDTH,
    "num_attention_heads": Q,
    "num_key_value_heads": KV,
    "head_dim": D,
    "vocab_size": V,
    "model_type": "llama",
}
TARGET = {**SHAPES, "num_hidden_layers": 4}


def draft(kind, **fields):
    return DraftArchitecture("small", H, WIDTH, Q, KV, D, V, target_layers=4, kind=kind, **fields)


# kind: (weights before the head, weights of a cycle before it, of a head row, of a row a cycle)
BY_HAND = {
    "eagle3": ({}, 3 * H * H + WIDE_LAYER, DEPTH, H, DEPTH * H),
    "eagle": ({}, 2 * H * H + PLAIN_LAYER, DEPTH, H, DEPTH * H),
    "p-eagle": ({"layers": 4}, 3 * H * H + WIDE_LAYER + 3 * PLAIN_LAYER, 1, H, H),
    "dflash": (
        {"layers": 5, "feature_layers": 5},
        5 * H * H + 5 * PLAIN_LAYER,
        1,
        H,
        H,
    ),
    "dspark": (
        {"layers": 5, "feature_layers": 5, "markov_rank": 8},
        5 * H * H + 5 * PLAIN_LAYER,
        1,
        H + 8,
        H + DEPTH * 8,
    ),
    "mtp": ({}, 2 * H * H + PLAIN_LAYER, DEPTH, H, DEPTH * H),
    "standalone": ({"layers": 3}, 3 * PLAIN_LAYER, DEPTH, H, DEPTH * H),
}


def test_every_kind_that_can_be_trimmed_is_counted_by_hand():
    assert set(BY_HAND) == set(TRIMMED)
    assert all(kind.source and kind.title and kind.passes for kind in KINDS.values())


@pytest.mark.parametrize("kind", BY_HAND)
def test_cost_of_a_kind(kind):
    fields, body, reads, row, row_a_cycle = BY_HAND[kind]
    shape = draft(kind, **fields)
    assert sum(shape.weights.values()) == body
    assert shape.flops(K) == 2 * (body + row * K)
    assert sum(shape.breakdown(K).values()) == body + row * K
    cycle = shape.cycle_bytes(K, DEPTH)
    assert sum(cycle.values()) == 2 * (reads * body + row_a_cycle * K)
    assert sum(shape.cycle_bytes(K, 1).values()) == shape.step_bytes(K)
    full = 2 * (reads * body + row_a_cycle * V)
    assert shape.byte_reduction(K, DEPTH) == pytest.approx(1 - sum(cycle.values()) / full)
    assert shape.latency_reduction(K) == pytest.approx(row * (V - K) / (body + row * V))
    copied = kind in ("eagle", "dflash", "dspark", "mtp")
    assert shape.copied_bytes(K) == (2 * H * K if copied else 0)
    assert shape.copied_bytes(V) == 0


@pytest.mark.parametrize("kind", BY_HAND)
def test_bytes_per_weight_of_each_part(kind):
    fields, body, reads, _, row_a_cycle = BY_HAND[kind]
    shape = draft(kind, **fields, weight_bytes=WeightBytes(0.5, 1, 4))
    cycle = sum(shape.cycle_bytes(K, DEPTH).values())
    assert cycle == reads * body + 4 * row_a_cycle * K
    assert shape.step_bytes(K) == sum(shape.cycle_bytes(K, 1).values())


@pytest.mark.parametrize("kind", BY_HAND)
def test_the_roofline_reads_what_a_cycle_reads(kind):
    fields, body, reads, _, row_a_cycle = BY_HAND[kind]
    stored = WeightBytes(0.5, 1, 4)
    shape = draft(kind, **fields, weight_bytes=stored)
    hardware = replace(device("h200"), effective=(1, 1), overhead=(0, 0), flops=1e30)
    model = roofline(shape, hardware, DEPTH).fast
    target = 4 * PLAIN_LAYER * 0.5 + V * H * 4
    assert model.fixed_s * hardware.bandwidth == pytest.approx(target + reads * body)
    assert model.row_s * hardware.bandwidth == pytest.approx(4 * row_a_cycle)
    # Arithmetic alone: every drafted token passes all of it, whatever is read how often.
    slow = replace(hardware, flops=1.0, bandwidth=1e30)
    model = roofline(shape, slow, DEPTH).fast
    verified = (DEPTH + 1) * (4 * PLAIN_LAYER + V * H)
    assert model.fixed_s == pytest.approx(2 * (verified + DEPTH * body))
    assert model.row_s == pytest.approx(2 * DEPTH * BY_HAND[kind][3])


def test_experts_of_an_mtp_layer_are_read_by_more_rows():
    moe = {
        **TARGET,
        "model_type": "deepseek_v3_like",
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "n_shared_experts": 1,
        "num_nextn_predict_layers": 1,
    }
    shape = architecture_from_config(moe, "moe", kind="mtp")
    expert = 3 * H * 32
    attention = H * (QUERIES + 2 * KEYS) + QUERIES * H
    assert sum(shape.weights.values()) == 2 * H * H + attention + 3 * expert
    assert shape.read_layer_weights(1) == sum(shape.weights.values())
    distinct = 8 * (1 - (6 / 8) ** 4)
    assert shape.read_layer_weights(4) == pytest.approx(
        2 * H * H + attention + (distinct + 1) * expert, abs=1
    )
    assert shape.memory_layer_weights == 2 * H * H + attention + 9 * expert
    assert shape.memory_weights == 4 * (attention + 9 * expert) + V * H


# --- from configs -------------------------------------------------------------------------------


def test_a_config_says_its_kind():
    of_draft = {**SHAPES, "num_hidden_layers": 5, "num_target_layers": 9}
    flash = {"target_layer_ids": [1, 3, 5]}
    for kind, config in {
        "eagle3": {**SHAPES, "architectures": ["LlamaForCausalLMEagle3"]},
        "eagle": {**SHAPES, "architectures": ["EagleLlamaForCausalLM"]},
        "p-eagle": {**of_draft, "architectures": ["PEagleDraftModel"], "draft_vocab_size": 9},
        "dflash": {**of_draft, "architectures": ["DFlashDraftModel"], "dflash_config": flash},
        "dspark": {
            **of_draft,
            "architectures": ["DSparkDraftModel"],
            "dflash_config": {**flash, "markov_rank": 8},
        },
    }.items():
        shape = architecture_from_config(config, kind)
        assert shape.kind == kind
        assert shape.feature_layers == 3
        assert shape.layers == config.get("num_hidden_layers", 1)
        with pytest.raises(InputError, match="does not give the shapes"):
            architecture_from_config(config, kind, kind="standalone")


def test_a_target_gives_the_kinds_that_its_config_has():
    assert architecture_from_config(TARGET, "plain").kind == "eagle3"
    assert architecture_from_config(TARGET, "plain", kind="eagle").kind == "eagle"
    alone = architecture_from_config(TARGET, "plain", kind="standalone")
    assert (alone.layers, alone.target_layers) == (4, None)
    with pytest.raises(InputError, match="has no MTP layer: none of mtp_num_hidden_layers"):
        architecture_from_config(TARGET, "plain", kind="mtp")
    for kind in ("dflash", "dspark", "p-eagle"):
        with pytest.raises(InputError, match=r"give that draft's own config\.json"):
            architecture_from_config(TARGET, "plain", kind=kind)
    with pytest.raises(InputError, match="no kind of draft head 'medusa'; choose one of eagle3"):
        architecture_from_config(TARGET, "plain", kind="medusa")


def test_an_mtp_layer_has_a_gate_and_the_width_of_full_attention():
    config = {
        **TARGET,
        "model_type": "qwen3_5_text",
        "layer_types": ["linear_attention"] * 3 + ["full_attention"],
        "mtp_num_hidden_layers": 1,
        **{f"linear_{part}_head_dim": 16 for part in ("key", "value")},
        **{f"linear_num_{part}_heads": 2 for part in ("key", "value")},
    }
    shape = architecture_from_config(config, "gated", kind="mtp")
    attention = H * (2 * QUERIES + 2 * KEYS) + QUERIES * H
    assert sum(shape.weights.values()) == 2 * H * H + attention + 3 * H * WIDTH
    delta = H * (4 * 32 + 2 * 2) + 32 * H
    feed_forward = 4 * 3 * H * WIDTH
    assert shape.target_weights == 3 * delta + attention + feed_forward + V * H


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"quant_method": "fp8"}, (1, 1, 2)),
        ({"quant_method": "fp8", "modules_to_not_convert": ["mtp.fc", "lm_head"]}, (1, 2, 2)),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, (0.515625, 0.515625, 2)),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1, "lm_head": True}, (1, 1, 1)),
        (
            {
                "quant_method": "compressed-tensors",
                "ignore": ["re:.*mtp.*"],
                "config_groups": {
                    "group_0": {"weights": {"num_bits": 4, "group_size": 16, "type": "float"}}
                },
            },
            (0.5625, 2, 2),
        ),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, (0.5625, 0.5625, 2)),
    ],
)
def test_a_quantised_body_is_read_from_the_config(stated, expected):
    config = {**TARGET, "num_nextn_predict_layers": 1, "quantization_config": stated}
    shape = architecture_from_config(config, "quantised", kind="mtp")
    assert shape.weight_bytes == WeightBytes(*expected)
    assert architecture_from_config(config, "quantised").weight_bytes is None  # EAGLE-3, as before


def test_unknown_quantisation_is_refused_with_what_to_do():
    config = {**TARGET, "num_nextn_predict_layers": 1, "quantization_config": {"quant_method": "q"}}
    with pytest.raises(InputError, match="give them with --weight-bytes"):
        architecture_from_config(config, "quantised", kind="mtp")
    with pytest.raises(InputError, match="Bytes per weight of the head must lie within"):
        WeightBytes(head=0)


def test_what_cannot_be_trimmed_or_counted_says_why():
    assistant = {"model_type": "gemma4_assistant", "architectures": ["Gemma4AssistantForCausalLM"]}
    with pytest.raises(InputError, match=r"nothing to trim.*2,048 centroids"):
        architecture_from_config(assistant, "assistant")
    with pytest.raises(InputError, match="a domino draft, which is not counted here"):
        architecture_from_config({**SHAPES, "architectures": ["DominoDraftModel"]}, "domino")
    mimo = {**TARGET, "model_type": "mimo_v2_flash", "num_nextn_predict_layers": 3}
    with pytest.raises(InputError, match="differs from the model's own layers"):
        architecture_from_config(mimo, "mimo", kind="mtp")
    for kind in (name for name in TRIMMED if name != "eagle3"):
        with pytest.raises(InputError, match="SpecForge's EAGLE-3 trainer"):
            draft(kind).draft_config(K)


# --- stored, linked, exported -------------------------------------------------------------------


@pytest.mark.parametrize("kind", BY_HAND)
def test_shapes_of_every_kind_round_trip(kind, tmp_path):
    shape = draft(kind, **BY_HAND[kind][0], weight_bytes=WeightBytes(0.5, 1, 2))
    stored = json.loads(json.dumps(kept_config(shape)))
    assert architecture_from_config(stored, "again") == shape
    link = DRAFT.query(Leaf(), shape)
    assert DRAFT.from_query(Leaf(), link, ReadContext(V)) == shape
    file = tmp_path / "draft.json"
    file.write_text(json.dumps(stored))
    assert load_architecture(file) == shape


def test_shapes_stored_before_there_were_kinds_are_eagle3():
    old = {
        name: value
        for name, value in kept_config(PRESETS["llama-3.1-8b"])["draft"].items()
        if name
        not in (
            "kind",
            "feature_layers",
            "attention_gate",
            "markov_rank",
            "stored_width",
            "weight_bytes",
        )
    }
    again = architecture_from_config({"format": "vocabtrim-architecture-1", "draft": old}, "old")
    assert again == PRESETS["llama-3.1-8b"]
    assert again.kind == "eagle3"


def parsed(*words):
    parser = ArgumentParser()
    DRAFT.add(parser, Leaf(), None, False)
    return DRAFT.from_argv(Leaf(), parser.parse_args(words), ReadContext(V))


def test_options_of_a_command_line(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**TARGET, "num_nextn_predict_layers": 1}))
    shape = parsed(
        *("--draft-config", str(config), "--draft-kind", "mtp"),
        *("--weight-bytes", "0.56", "1", "2"),
    )
    assert (shape.kind, shape.weight_bytes) == ("mtp", WeightBytes(0.56, 1, 2))
    assert parsed("--draft-config", str(config)).kind == "eagle3"
    of_preset = parsed("--draft", "qwen3.8-27b-mtp", "--weight-bytes", "0.5", "2", "2")
    assert (of_preset.kind, of_preset.part_bytes.target) == ("mtp", 0.5)
    with pytest.raises(InputError, match=r"give that file, or a preset of that kind"):
        parsed("--draft", "qwen3.8-27b-mtp", "--draft-kind", "mtp")
    with pytest.raises(InputError, match="--weight-bytes is of a draft"):
        parsed("--weight-bytes", "1", "2", "2")


def test_an_export_has_no_config_of_another_models_shapes(tmp_path):
    vocabulary = DraftVocabulary(range(50), V)
    other = replace(PRESETS["llama-3.1-8b"], vocab_size=V)
    manifest = export(
        vocabulary, ["specforge"], tmp_path / "other", ExportContext(architecture=other)
    )
    assert not (tmp_path / "other" / "specforge" / "config.json").exists()
    why = f"the shapes of llama-3.1-8b are not those of a model with V = {V:,}"
    assert any(why in note for note in manifest.notes)
    none = export(vocabulary, ["specforge"], tmp_path / "none", ExportContext())
    assert any("no draft architecture was given" in note for note in none.notes)
    own = replace(other, name="own")
    export(vocabulary, ["specforge"], tmp_path / "own", ExportContext(architecture=own))
    assert (tmp_path / "own" / "specforge" / "config.json").exists()


def test_an_export_says_the_kind_and_the_memory_of_the_copy(tmp_path):
    vocabulary = DraftVocabulary(range(50), V)
    shape = draft("mtp")
    manifest = export(vocabulary, ["ids"], tmp_path / "mtp", ExportContext(architecture=shape))
    assert manifest.choice["draft_kind"] == "mtp"
    assert manifest.choice["copied_bytes"] == 2 * H * 50
    text = " ".join((tmp_path / "mtp" / "README.txt").read_text().split())
    assert "Each of the K drafted tokens is a pass" in text
    assert "copy of the target's rows" in text


def test_a_forecast_says_what_was_fitted_on_eagle3_alone():
    model = AcceptanceModel(np.linspace(0.1, 1, V), np.linspace(1.1, 4, V), 3, 2.5)
    told = Acceptance(model, "text", "held out", ("one",))
    assert of_kind(told, "eagle3") is told
    assert "fitted on EAGLE-3 drafts alone" in of_kind(told, "mtp").assumed[-1]
    assert "drafted in parallel" in of_kind(told, "dflash").assumed[-1]


def test_shapes_of_another_model_are_named_as_such():
    llama = PRESETS["llama-3.1-8b"]
    assert not borrowed(llama)
    assert "stand in for those of a model with V = 600" in borrowed(replace(llama, vocab_size=600))
    assert not borrowed(replace(replace(llama, vocab_size=600), name="own"))


# Public runs of an MTP head, H = 2,560, three drafted tokens, GB10: rows, bandwidth in GB/s
# as stated beside them (products of one row; the whole device), ms a cycle at V and at k.
@pytest.mark.parametrize(
    ("k", "stated", "full_ms", "trimmed_ms"),
    [
        (32_768, 168.5, 106.2, 86.3),
        (65_536, 241, 76.9, 63.9),
        (65_536, 241, 155.7, 146.2),  # eight streams
    ],
)
def test_public_cycle_times_within_two_points(monkeypatch, k, stated, full_ms, trimmed_ms):
    measured = replace(device("gb10"), bandwidth=stated * 1e9, effective=(1, 1))
    monkeypatch.setitem(HARDWARE, "gb10", measured)
    shape = DraftArchitecture("flash", 2560, 512, 16, 2, 256, 248_320, kind="mtp")
    settings = ForecastSettings(hardware="gb10", cycles=((248_320, full_ms / 1e3),), depth=3)
    cycles = cycle_times(settings, shape)
    for model in cycles.ends:
        predicted = 1e3 * float(model.cycle_s(k)) / full_ms
        assert abs(predicted - trimmed_ms / full_ms) < 0.02
