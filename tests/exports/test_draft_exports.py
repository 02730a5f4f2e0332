"""Trimmed draft folders: written as exports, and loaded with each consumer's own code.

SGLang's and vLLM's loaders are taken out of their packages and run alone, since importing the
modules around them needs a GPU stack.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.consumers import function_of
from helpers.lazy import Lazy
from helpers.model_folders import (
    H,
    V,
    draft_config,
    draft_tensors,
    write_draft,
    write_model,
    write_target,
)

from vocabtrim_core.drafts.slicing import slice_draft
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports import (
    FORMATS,
    ExportContext,
    export,
    export_zip,
    inspect_export,
    verify,
)
from vocabtrim_core.vocabulary import DraftVocabulary

torch = Lazy("torch")
safetensors = Lazy("safetensors")
safetensors_torch = Lazy("safetensors.torch")

SERVED = ["llama-cpp", "sglang-eagle3", "tensorrt-llm", "vllm"]
LAYERS = {"eagle_config": {"eagle_aux_hidden_state_layer_ids": [1, 3, 4]}}  # counted from 0
IDS = np.sort(np.random.default_rng(5).choice(V, 70, replace=False))


@pytest.fixture(scope="module")
def vocabulary():
    return DraftVocabulary(IDS, V)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_draft(tmp_path_factory.mktemp("source") / "full-draft")


@pytest.fixture(scope="module")
def exported(tmp_path_factory, source, vocabulary) -> Path:
    out = tmp_path_factory.mktemp("exports") / "out"
    export(vocabulary, [*SERVED, "ids"], out, ExportContext(draft=source))
    return out


@pytest.fixture(scope="module")
def weights(exported) -> dict[str, torch.Tensor]:
    return safetensors_torch.load_file(exported / "draft/model.safetensors")


# ---------------------------------------------------------------- the export


def test_one_folder_serves_every_engine(exported, vocabulary):
    assert {path.name for path in exported.iterdir()} == {
        "draft",
        "ids",
        "README.txt",
        "manifest.json",
    }
    manifest = verify(exported)
    paths = [file.path for file in manifest.files]
    assert len(paths) == len(set(paths))
    assert {"draft/config.json", "draft/model.safetensors", "draft/vocabtrim.json"} <= set(paths)
    for name in SERVED:
        assert FORMATS[name].read(exported / "draft", len(IDS)).tolist() == IDS.tolist()
    assert any("full-draft with the head rows of these" in note for note in manifest.notes)


def test_readme_gives_every_engines_command(exported):
    text = (exported / "README.txt").read_text()
    for words in (
        '"model": "draft"',
        "--speculative-draft-model-path draft",
        "speculative_model: draft",
        "convert_hf_to_gguf.py draft --target-model-dir TARGET",
        "--outfile draft-70.gguf",
        "draft/model.safetensors",
    ):
        assert words in text
    assert "<N>" not in text


def test_a_format_of_drafts_needs_a_draft(tmp_path, vocabulary, source):
    with pytest.raises(InputError, match=r"vLLM \(EAGLE-3\) needs a draft's weights"):
        export(vocabulary, ["ids", "vllm"], tmp_path / "out")
    with pytest.raises(InputError, match="too large for a zip"):
        export_zip(vocabulary, ["ids", "vllm"], ExportContext(draft=source))
    with pytest.raises(InputError, match=r"V = 480, but .* 500"):
        export(DraftVocabulary([1], 480), ["vllm"], tmp_path / "out", ExportContext(draft=source))
    assert not list(tmp_path.iterdir())


def test_a_changed_draft_is_found(tmp_path, vocabulary, source):
    out = tmp_path / "out"
    export(vocabulary, ["vllm", "sglang-eagle3"], out, ExportContext(draft=source))
    tensors = safetensors_torch.load_file(out / "draft/model.safetensors")
    tensors["d2t"] += torch.arange(len(IDS))
    safetensors_torch.save_file(tensors, out / "draft/model.safetensors")
    problems = inspect_export(out).problems
    assert "draft/model.safetensors has changed since it was exported." in problems
    assert sum("absolute token ids" in problem for problem in problems) == 2


# ---------------------------------------------------------------- SpecForge, transformers


@pytest.fixture
def specforge():
    """SpecForge's models, run as they are written: compiling the tiny layer takes minutes."""
    auto = pytest.importorskip("specforge.modeling.auto", exc_type=ImportError)
    with torch.compiler.set_stance("force_eager"):
        yield auto


def test_specforge_loads_the_folder(specforge, exported, weights):
    folder = exported / "draft"
    config = specforge.AutoDraftModelConfig.from_file(str(folder / "config.json"))
    draft = specforge.AutoDraftModel.from_pretrained(folder, config=config)
    assert draft.lm_head.weight.shape == (len(IDS), H)
    assert (draft.d2t + torch.arange(len(IDS))).tolist() == IDS.tolist()
    assert draft.t2d.nonzero().flatten().tolist() == IDS.tolist()
    for name, tensor in weights.items():
        assert torch.equal(draft.state_dict()[name], tensor), name


def test_specforge_gives_the_same_logits(specforge, tmp_path, vocabulary):
    """The whole forward pass of both drafts; a logit is one dot product (see test_slicing)."""
    source = write_draft(tmp_path / "full", dtype=torch.float32, embedding=True)
    slice_draft(source, vocabulary, tmp_path / "trimmed")

    def load(folder):
        config = specforge.AutoDraftModelConfig.from_file(str(folder / "config.json"))
        draft = specforge.AutoDraftModel.from_config(config, attention_backend="sdpa")
        state = safetensors_torch.load_file(folder / "model.safetensors")
        missing, unexpected = draft.load_state_dict(state, strict=False)
        assert set(missing) <= {"d2t", "t2d"}  # the full draft has none; the defaults are right
        assert not unexpected
        return draft.eval()

    full, trimmed = load(source), load(tmp_path / "trimmed")
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1, 6, 3 * H, generator=generator)
    embedded = torch.randn(1, 6, H, generator=generator)
    with torch.no_grad():
        before, after = (m(features, embedded) for m in (full, trimmed))
        assert torch.equal(before, after)
        for row in before[0]:
            logits = torch.linalg.vecdot(full.lm_head.weight, row)
            assert torch.equal(torch.linalg.vecdot(trimmed.lm_head.weight, row), logits[IDS])
        whole = full.compute_logits(before)[..., IDS]
        assert torch.allclose(trimmed.compute_logits(after), whole, atol=1e-4)


def test_specforges_export_check_passes(weights):
    module = pytest.importorskip("specforge.export.to_sglang", exc_type=ImportError)
    assert module._serving_state(dict(weights), {}).keys() == weights.keys()


# ---------------------------------------------------------------- SGLang, vLLM


def recorder():
    """A parameter that keeps what its loader was given."""

    class Recorder(torch.nn.Parameter):
        def weight_loader(self, parameter, loaded, shard=None):
            parameter.given = {**getattr(parameter, "given", {}), shard: loaded}

    return Recorder(torch.zeros(1))


def test_sglang_loads_the_draft(weights):
    load = function_of(
        "sglang",
        "srt/models/llama_eagle3.py",
        "load_weights",
        torch=torch,
        default_weight_loader=None,
    )
    names = [
        "fc.weight",
        "norm.weight",
        "layers.0.self_attn.qkv_proj.weight",
        "layers.0.self_attn.o_proj.weight",
        "layers.0.mlp.gate_up_proj.weight",
        "layers.0.mlp.down_proj.weight",
        "layers.0.hidden_norm.weight",
        "layers.0.input_layernorm.weight",
        "layers.0.post_attention_layernorm.weight",
    ]
    parameters = {f"model.{name}": recorder() for name in names} | {"lm_head.weight": recorder()}
    model = SimpleNamespace(named_parameters=parameters.items, hot_token_id=None)
    load(model, weights.items())
    assert model.hot_token_id.dtype == torch.int64
    assert model.hot_token_id.tolist() == IDS.tolist()
    assert parameters["lm_head.weight"].given[None] is weights["lm_head.weight"]
    assert {name for name, p in parameters.items() if not hasattr(p, "given")} == set()
    assert set(parameters["model.layers.0.self_attn.qkv_proj.weight"].given) == {"q", "k", "v"}
    assert parameters["model.fc.weight"].given[None] is weights["fc.weight"]


def test_vllm_loads_the_draft(weights):
    loaded = {}

    class Loader:
        def __init__(self, model):
            pass

        def load_weights(self, weights, mapper):
            loaded.update(weights)

    load = function_of(
        "vllm",
        "model_executor/models/llama_eagle3.py",
        "load_weights",
        AutoWeightsLoader=Loader,
        WeightsMapper=lambda **_: None,
        logger=None,
        process_eagle_weight=lambda model, name: None,
    )
    inner = SimpleNamespace(use_aux_hidden_state=True, norm_before_fc=False)
    load(SimpleNamespace(use_parallel_drafting=False, model=inner), weights.items())
    offsets = loaded.pop("draft_id_to_target_id")
    assert (torch.arange(len(IDS)) + offsets).tolist() == IDS.tolist()
    assert loaded.pop("lm_head.weight") is weights["lm_head.weight"]
    assert not any("t2d" in name for name in loaded)
    assert {f"model.{n}" for n in weights if n not in ("d2t", "t2d", "lm_head.weight")} == set(
        loaded
    )


def test_sglang_and_vllm_know_the_architecture_by_name():
    for package, path in (
        ("sglang", "srt/models/llama_eagle3.py"),
        ("vllm", "model_executor/models/registry.py"),
    ):
        spec = importlib.util.find_spec(package)
        if spec is None:
            continue
        source = Path(next(iter(spec.submodule_search_locations)), path).read_text("utf-8")
        assert draft_config(None)["architectures"][0] in source


# ---------------------------------------------------------------- llama.cpp


@pytest.mark.parametrize("k", [300, 128_256])
def test_llama_cpp_converts_the_draft(tmp_path, shared, k, monkeypatch):
    """Set LLAMA_CPP to a llama.cpp checkout, whose converter needs sentencepiece.

    The target has the real tokenizer and its V, but few rows.
    """
    checkout = os.environ.get("LLAMA_CPP")
    if not checkout:
        pytest.skip("LLAMA_CPP does not name a llama.cpp checkout")
    size = 128_256
    generator = torch.Generator().manual_seed(0)
    tensors = {**draft_tensors(), "lm_head.weight": torch.randn(size, H, generator=generator)}
    source = write_model(
        tmp_path / "full", tensors, {**draft_config(None), "vocab_size": size, **LAYERS}
    )
    target = write_target(tmp_path / "target")
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, "vocab_size": size}))
    for path in (shared / "data/tokenizers/llama-3.1").iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    wanted = DraftVocabulary(np.sort(np.random.default_rng(0).choice(size, k, False)), size)
    slice_draft(source, wanted, tmp_path / "trimmed")
    made = subprocess.run(
        [
            sys.executable,
            f"{checkout}/convert_hf_to_gguf.py",
            tmp_path / "trimmed",
            "--target-model-dir",
            target,
            "--outtype",
            "f32",
            "--outfile",
            tmp_path / "draft.gguf",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    monkeypatch.syspath_prepend(f"{checkout}/gguf-py")
    from gguf import GGUFReader

    reader = GGUFReader(tmp_path / "draft.gguf")
    assert reader.fields["eagle3.target_layers"].contents() == [2, 4, 5]  # the embedding is 0
    found = {tensor.name: tensor for tensor in reader.tensors}
    if k < size:
        assert found["d2t"].tensor_type.name == "I64"
        assert found["d2t"].data.tolist() == wanted.ids.tolist()  # absolute there, by the converter
    else:
        assert "d2t" not in found
    rows = torch.from_numpy(copy.copy(found["output.weight"].data)).reshape(k, H)
    assert torch.equal(rows, tensors["lm_head.weight"][wanted.ids.tolist()])


def test_transformers_own_safetensors_read_the_folder(exported):
    with safetensors.safe_open(exported / "draft/model.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt"}
        assert opened.get_slice("lm_head.weight").get_shape() == [len(IDS), H]
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.from_pretrained(exported / "draft")
    assert (config.draft_vocab_size, config.vocab_size) == (len(IDS), V)
