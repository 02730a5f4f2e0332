"""Every causal language model of transformers: its matrices against what is read from its config.

Each is built without memory (on the meta device) with the values its config class has, and with
other sizes. Layers are counted parameter by parameter, experts by the number of tensors they have.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest

from vocabtrim_core.draft_config import architecture_from_config
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.layer_families import FOUR_TIMES, GATED_QUERIES, ONE_SHARED, UNCOUNTED, UNGATED

torch = pytest.importorskip("torch")

LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.")
OF_OTHER_INPUTS = re.compile(r"vision|visual|audio|image|encoder")
# Not counted, here as there: norms, biases, convolutions, positions, routers and gates of experts.
LEFT_OUT = re.compile(
    r"conv|router|position|rotary|relative|bias|(^|\.)gate\.weight|shared_expert_gate|\.wg\."
)
# Classes whose own values give no model: what must be said besides.
NEEDED: dict[str, dict[str, Any]] = {
    kind: {"head_dim": 128} for kind in ("hunyuan_v1_dense", "hunyuan_v1_moe", "ministral")
} | {
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}
    },
    "nemotron": {"head_dim": 128, "num_key_value_heads": 8},
    "dbrx": {"attn_config": {"rope_theta": 1e4}},
    "dots1": {"n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1},
}
OTHER_SIZES = ("intermediate_size", "moe_intermediate_size", "ffn_dim", "n_inner")
# Layers of a kind that is found in the config, not by the family.
KINDS_OF_LAYERS = frozenset(
    [
        "axk2",
        "bailing_hybrid",
        "bamba",
        "deepseek_v2",
        "deepseek_v32",
        "deepseek_v4",
        "dots3_note",
        "dots3_note_text",
        "falcon_h1",
        "gemma3n",
        "gemma3n_text",
        "glm_moe_dsa",
        "granitemoehybrid",
        "hy_v4",
        "inkling2_text",
        "inkling_text",
        "jamba",
        "kimi_linear",
        "longcat_flash",
        "minimax",
    ]
)
NO_DRAFT = ("gemma4_assistant", "gemma4_unified_assistant")


def model_types() -> list[str]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def built(kind: str, fields: dict[str, Any]) -> Any:
    """transformers' model, None where these fields give none."""
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity(50)
    try:
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            return AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**fields))
    except Exception:  # classes raise anything for values that do not fit
        return None
    finally:
        logging.set_verbosity(before)


def matrices(model: Any) -> tuple[int, int]:
    """Weights of the layers of the language model: those of one token, and all."""
    active = stored = 0
    for name, weight in model.named_parameters():
        if weight.dim() < 2 or not LAYER.search(name) or OF_OTHER_INPUTS.search(name):
            continue
        if LEFT_OUT.search(name.lower()):
            continue
        stored += weight.numel()
        bank = re.match(r"(.*)\.experts(?:\.\d+)?\.", name)
        if bank is None:
            active += weight.numel()
            continue
        block = model.get_submodule(bank[1])
        listed = getattr(block.experts, "num_experts", 0) or len(block.experts)
        count = weight.shape[0] if weight.dim() == 3 else listed
        active += weight.numel() * chosen_experts(block) // count
    return active, stored


def chosen_experts(block: Any) -> int:
    names = ("top_k", "num_experts_per_tok", "moe_top_k")
    sizes = (getattr(part, name, None) for part in block.modules() for name in names)
    return next(size for size in sizes if type(size) is int)


def read(kind: str, fields: dict[str, Any]) -> DraftArchitecture | str:
    try:
        return architecture_from_config({"model_type": kind, **fields}, "config.json")
    except InputError as error:
        return str(error)


def held_against_the_model(kind: str, fields: dict[str, Any]) -> str:
    """What became of one config: counted, uncounted, refused, or not built."""
    shape = read(kind, fields)
    if isinstance(shape, str):
        assert len(shape.splitlines()) == 1
        return "refused"
    if shape.target_layers is None:
        assert shape.target_weights is None
        return "uncounted"
    model = built(kind, fields)
    if model is None:
        return "not built"
    active, stored = matrices(model)
    head = model.get_output_embeddings().weight.shape
    assert (shape.vocab_size, shape.hidden_size) == tuple(head), kind
    assert shape.target_weights == active + head.numel(), kind
    assert shape.memory_weights == stored + head.numel(), kind
    return "counted"


def language_section(kind: str) -> tuple[str, dict[str, Any]]:
    """Where a config of this type states the sizes of its language model, and its defaults."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    whole = CONFIG_MAPPING[kind](**NEEDED.get(kind, {}))
    try:
        text = whole.get_text_config()
    except ValueError:  # it has several, of which none is read as the language model
        text = whole
    parts = {name: getattr(whole, name, None) for name in type(whole).sub_configs}
    section = next((name for name, part in parts.items() if part is text), "")
    return section, dict(vars(type(text)))


def test_a_model_of_every_type_is_counted_as_it_is_or_not_at_all():
    outcomes = {kind: held_against_the_model(kind, NEEDED.get(kind, {})) for kind in model_types()}
    listed = frozenset().union(*UNCOUNTED.values())
    without_a_count = {kind for kind, outcome in outcomes.items() if outcome != "counted"}
    assert without_a_count <= listed | KINDS_OF_LAYERS | set(NO_DRAFT)
    assert {kind for kind, outcome in outcomes.items() if outcome == "uncounted"} >= KINDS_OF_LAYERS
    assert not listed & {kind for kind, outcome in outcomes.items() if outcome == "counted"}


def test_a_model_of_other_sizes_is_counted_as_it_is_or_not_at_all():
    counted = set()
    for kind in (kind for kind in model_types() if kind not in NO_DRAFT):
        section, own = language_section(kind)
        has = {name: size for name, size in own.items() if type(size) is int}
        wider = {name: size + 64 for name, size in has.items() if name in OTHER_SIZES}
        fewer = {"num_key_value_heads": 2} if "num_key_value_heads" in own else {}
        for fields in (wider, fewer, {"num_hidden_layers": 3}):
            nested = {section: fields} if section else fields
            if fields and held_against_the_model(kind, NEEDED.get(kind, {}) | nested) == "counted":
                counted.add((kind, *fields))
    assert len(counted) > 150


def test_the_tables_name_families_of_transformers():
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    named = frozenset().union(UNGATED, GATED_QUERIES, ONE_SHARED, FOUR_TIMES, *UNCOUNTED.values())
    assert named <= set(CONFIG_MAPPING)
    assert not UNGATED & frozenset().union(*UNCOUNTED.values())


@pytest.mark.parametrize("kind", sorted(frozenset().union(*UNCOUNTED.values())))
def test_layers_of_a_kind_of_their_own_are_not_counted_whatever_the_config_adds(kind):
    """Their advice is to add a missing field: that must not turn them into a Llama."""
    sizes = {"hidden_size": 256, "intermediate_size": 512, "vocab_size": 1000}
    shape = read(kind, {**sizes, "num_attention_heads": 4, "num_key_value_heads": 4})
    assert isinstance(shape, str) or shape.target_layers is None


# (model_type, fields as older files state them, weights of a layer by hand)
OLDER = [
    ("gpt2", {"n_embd": 64, "n_head": 4, "n_layer": 1}, 12 * 64 * 64),
    ("gpt2", {"n_embd": 64, "n_head": 4, "n_layer": 1, "n_inner": 100}, 4 * 64 * 64 + 2 * 64 * 100),
    ("gptj", {"n_embd": 64, "n_head": 4, "n_layer": 1, "n_inner": None}, 12 * 64 * 64),
    ("codegen", {"n_embd": 64, "n_head": 4, "n_layer": 1}, 12 * 64 * 64),
    ("bloom", {"n_embed": 64, "n_head": 4, "n_layer": 1}, 12 * 64 * 64),
    ("bloom", {"hidden_size": 64, "n_head": 4, "n_layer": 1}, 12 * 64 * 64),
    ("opt", {"hidden_size": 64, "ffn_dim": 80, "num_attention_heads": 4, "num_hidden_layers": 1,
             "word_embed_proj_dim": 64}, 4 * 64 * 64 + 2 * 64 * 80),
    ("xglm", {"d_model": 64, "ffn_dim": 80, "attention_heads": 4, "num_layers": 1},
     4 * 64 * 64 + 2 * 64 * 80),
    ("mpt", {"d_model": 64, "n_heads": 4, "n_layers": 1, "expansion_ratio": 3},
     4 * 64 * 64 + 2 * 64 * 192),
    ("gpt_bigcode", {"n_embd": 64, "n_head": 4, "n_layer": 1},
     2 * 64 * 64 + 2 * 64 * 16 + 8 * 64 * 64),
    ("gpt_bigcode", {"n_embd": 64, "n_head": 4, "n_layer": 1, "multi_query": False}, 12 * 64 * 64),
    ("gpt_neo", {"hidden_size": 64, "num_heads": 4, "num_layers": 1,
                 "attention_types": [[["global"], 1]]}, 12 * 64 * 64),
    ("dbrx", {"d_model": 64, "n_heads": 4, "n_layers": 1, "attn_config": {"kv_n_heads": 2},
              "ffn_config": {"ffn_hidden_size": 40, "moe_num_experts": 8, "moe_top_k": 3}},
     2 * 64 * 64 + 2 * 64 * 32 + 3 * 3 * 64 * 40),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "layer"), OLDER)
def test_sizes_by_other_names_and_by_derivation_are_read(kind, fields, layer):
    shape = read(kind, {"vocab_size": 500, **fields})
    assert isinstance(shape, DraftArchitecture), shape
    assert (shape.hidden_size, shape.vocab_size) == (64, 500)
    assert shape.target_weights == layer + 64 * 500


def test_a_head_that_is_narrower_than_the_layers_is_refused():
    fields = {"hidden_size": 1024, "word_embed_proj_dim": 512, "num_attention_heads": 16}
    assert "word_embed_proj_dim" in str(read("opt", fields))
    assert isinstance(read("opt", {**fields, "word_embed_proj_dim": 1024}), DraftArchitecture)
