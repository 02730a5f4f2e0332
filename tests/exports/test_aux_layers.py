"""Which layers of the target a draft reads: as written here, as each engine reads it, and back.

The engines' reading is written down again from what they document, as the index into the hidden
states of transformers: 0 is the embedding, i the output of the i-th decoder layer.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.consumers import function_of
from helpers.model_folders import V, draft_config, draft_tensors, write_model, write_target
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.draft_kinds.aux_layers import read_layers, with_layers
from vocabtrim_core.drafts.inspect_checkpoint import inspect_draft
from vocabtrim_core.drafts.slicing import slice_draft
from vocabtrim_core.drafts.target import load_target
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports import FORMATS, ExportContext, export
from vocabtrim_core.vocabulary import DraftVocabulary

KEY = "eagle_aux_hidden_state_layer_ids"
PLACES = ("vocabtrim_aux_layers", KEY, "eagle_config")
SMALL = DraftVocabulary(np.arange(0, V, 7), V)


def by_default(layers: int) -> list[int]:
    """What vLLM, SGLang and llama.cpp take where a draft names nothing."""
    return [2, layers // 2, layers - 3]


def nested(config: dict) -> list[int] | None:
    return (config.get("eagle_config") or {}).get(KEY)


def vllm(config: dict, layers: int) -> list[int]:
    """The top level, else eagle_config; an id is the index of a hidden state."""
    return config.get(KEY) or nested(config) or by_default(layers)


def sglang(config: dict, layers: int) -> list[int]:
    """eagle_config alone; an id is a decoder layer, whose output is one further."""
    ids = nested(config)
    return by_default(layers) if ids is None else [i + 1 for i in ids]


def llama_cpp(config: dict, layers: int) -> list[int]:
    """The top level alone, as vLLM counts."""
    return config.get(KEY) or by_default(layers)


ENGINES = {"vllm": vllm, "sglang-eagle3": sglang, "llama-cpp": llama_cpp}


def write(folder, **changes):
    """A draft whose config.json says nothing of layers but `changes`."""
    return write_model(folder, draft_tensors(), {**draft_config(None), **changes})


@pytest.mark.parametrize("layers", [4, 5, 6, 7, 8, 16, 30, 32, 61, 80])
def test_a_trained_draft_reads_in_every_engine_what_was_captured(tmp_path, layers):
    """Capture takes hidden state i + 1 for layer i (see test_drafts_parts)."""
    folder = write_target(tmp_path / "target")
    fields = json.loads((folder / "config.json").read_text())
    fields |= {"num_hidden_layers": layers, "intermediate_size": 128, "num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps(fields))
    target = load_target(folder)
    config = target.draft_config(60)
    captured = [layer + 1 for layer in target.aux_layers]
    for engine, reads in ENGINES.items():
        assert reads(config, layers) == captured, engine
    if layers >= 7:  # the published choice of EAGLE-3, and what TensorRT-LLM takes unasked
        assert captured == by_default(layers) == [1 + i for i in (1, layers // 2 - 1, layers - 4)]


# What others write, for a draft that was trained on the outputs of decoder layers 1, 14 and 26.
NEIGHBOURS = {"eagle_config": {KEY: [1, 14, 26], "use_aux_hidden_state": True}}
CONVENTIONS = {
    "ours": {"vocabtrim_aux_layers": [1, 14, 26], KEY: [2, 15, 27], **NEIGHBOURS},
    "Model-Optimizer, SGLang": NEIGHBOURS,
    "vLLM, llama.cpp": {KEY: [2, 15, 27]},
    "speculators": {KEY: [2, 15, 27], "speculators_model_type": "eagle3"},
    "both": {KEY: [2, 15, 27], **NEIGHBOURS},
    "marked by hand": {"vocabtrim_aux_layers": [1, 14, 26], KEY: [1, 14, 26], **NEIGHBOURS},
    "empty at the top": {KEY: [], **NEIGHBOURS},
    "null at the top": {KEY: None, **NEIGHBOURS},
}


@pytest.mark.parametrize("fields", CONVENTIONS.values(), ids=CONVENTIONS)
def test_every_convention_is_read_and_exported_right(tmp_path, fields):
    source = write(tmp_path / "source", **fields)
    assert read_layers(fields, "here") == (1, 14, 26)
    export(SMALL, list(ENGINES), tmp_path / "out", ExportContext(draft=source))
    config = json.loads((tmp_path / "out/draft/config.json").read_text())
    for engine, reads in ENGINES.items():
        assert reads(config, 30) == [2, 15, 27], engine
    assert config["eagle_config"].get("use_aux_hidden_state", True) is True
    found = inspect_draft(tmp_path / "out/draft")
    assert found.layers == (1, 14, 26)
    assert not found.problems
    assert "layers are named for vLLM, llama.cpp and SGLang" in found.checked
    text = " ".join((tmp_path / "out/README.txt").read_text().split())
    assert "decoder layers [1, 14, 26], counted from 0" in text
    slice_draft(tmp_path / "out/draft", DraftVocabulary(SMALL.ids[:9], V), tmp_path / "again")
    assert json.loads((tmp_path / "again/config.json").read_text())[KEY] == [2, 15, 27]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6), st.sets(st.sampled_from(PLACES)))
def test_any_layers_are_read_from_any_places(layers, missing):
    """What is written is read back, whichever of its places a folder has kept; none are none."""
    config = with_layers({"eagle_config": {"use_aux_hidden_state": True}}, layers)
    assert config["eagle_config"].pop("use_aux_hidden_state")
    left = {name: value for name, value in config.items() if name not in missing}
    expected = None if missing == set(PLACES) else tuple(layers)
    assert read_layers(left, "here") == expected


@pytest.mark.parametrize("fields", [{}, {"eagle_config": {}}, {"eagle_config": None}, {KEY: None}])
def test_drafts_that_name_no_layers_leave_them_to_the_engine(tmp_path, fields):
    source = write(tmp_path / "source", **fields)
    export(SMALL, list(ENGINES), tmp_path / "out", ExportContext(draft=source))
    config = json.loads((tmp_path / "out/draft/config.json").read_text())
    assert {reads(config, 32) == [2, 16, 29] for reads in ENGINES.values()} == {True}
    assert inspect_draft(tmp_path / "out/draft").layers == ()
    assert "names no layers" in " ".join((tmp_path / "out/README.txt").read_text().split())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({KEY: [1, 14, 26], **NEIGHBOURS}, r"different layers .* vocabtrim_aux_layers"),
        ({KEY: [3, 16, 28], **NEIGHBOURS}, "nothing says which"),
        ({KEY: "1, 2, 3"}, "list of layer numbers, not '1, 2, 3'"),
        ({KEY: [1, 2.0, 3]}, "list of layer numbers"),
        ({KEY: [True, 2, 3]}, "list of layer numbers"),
        ({"eagle_config": {KEY: [-1, 2, 3]}}, "list of layer numbers"),
        ({"vocabtrim_aux_layers": 3}, "vocabtrim_aux_layers must be a list"),
        ({"eagle_config": [1, 14, 26]}, "eagle_config must be an object"),
    ],
)
def test_layers_that_nothing_decides_are_refused(tmp_path, fields, message):
    source = write(tmp_path / "source", **fields)
    for use in (
        lambda: slice_draft(source, SMALL, tmp_path / "out"),
        lambda: export(SMALL, ["vllm"], tmp_path / "out", ExportContext(draft=source)),
        lambda: inspect_draft(source),
    ):
        with pytest.raises(InputError, match=f"config.json: .*{message}"):
            use()
    assert not (tmp_path / "out").exists()


def test_inspection_says_what_an_engine_would_read_wrongly(tmp_path):
    wrong = {"vocabtrim_aux_layers": [1, 14, 26], KEY: [1, 14, 26], **NEIGHBOURS}
    (problem,) = inspect_draft(write(tmp_path / "edited", **wrong)).problems
    assert f"{KEY} gives an engine the layers [0, 13, 25]" in problem
    found = inspect_draft(write(tmp_path / "foreign", **NEIGHBOURS))
    assert not found.problems
    assert any("vLLM takes them one too early" in check for check in found.checked)


# ---------------------------------------------------------------- the engines' own code


def test_sglang_captures_these_layers():
    """Its ids after the shift are layers at whose entry it captures: hidden state i of layer i."""
    take = function_of("sglang", "srt/models/llama.py", "set_eagle3_layers_to_capture")
    config = with_layers({}, (1, 14, 26))
    for ids, expected in ((config["eagle_config"][KEY], [2, 15, 27]), (None, by_default(30))):
        model = SimpleNamespace(
            pp_group=SimpleNamespace(is_last_rank=True),
            config=SimpleNamespace(num_hidden_layers=30),
            model=SimpleNamespace(),
        )
        take(model, ids)
        assert model.model.layers_to_capture == expected == sglang({"eagle_config": {KEY: ids}}, 30)


@pytest.mark.parametrize("fields", [*CONVENTIONS.values(), {}], ids=[*CONVENTIONS, "none"])
def test_vllm_reads_layers_as_written_down_here(fields):
    read = function_of(
        "vllm", "v1/worker/gpu_model_runner.py", "_get_eagle3_aux_layers_from_config"
    )
    draft = SimpleNamespace(hf_config=SimpleNamespace(**fields))
    found = read(SimpleNamespace(speculative_config=SimpleNamespace(draft_model_config=draft)))
    assert list(found or by_default(30)) == vllm(fields, 30)


def test_speculators_reads_our_config_back(tmp_path):
    models = pytest.importorskip("speculators.models.eagle3", exc_type=ImportError)
    layer = {"model_type": "llama", "hidden_size": 64, "vocab_size": V, "num_hidden_layers": 1}
    proposal = {"proposal_type": "greedy", "speculative_tokens": 3}
    about = {
        "algorithm": "eagle3",
        "proposal_methods": [proposal],
        "default_proposal_method": "greedy",
        "verifier": {"name_or_path": "target", "architectures": []},
    }
    config = models.Eagle3SpeculatorConfig(
        transformer_layer_config=layer,
        draft_vocab_size=60,
        speculators_config=about,
        eagle_aux_hidden_state_layer_ids=[2, 15, 27],
    )
    config.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    fields = json.loads(path.read_text())
    assert read_layers(fields, "here") == (1, 14, 26)
    path.write_text(json.dumps(with_layers(fields, (1, 14, 26))))
    again = models.Eagle3SpeculatorConfig.from_pretrained(tmp_path)
    assert again.eagle_aux_hidden_state_layer_ids == [2, 15, 27]


def test_formats_say_where_layers_are_read():
    """The one engine that takes them from no file of ours says so."""
    for name in ENGINES:
        assert KEY in FORMATS[name].limits
    assert "eagle3_layers_to_capture" in FORMATS["tensorrt-llm"].limits
