"""Our files loaded with each consumer's own code, where that code is installed.

The consumers' pins fight with each other and with ours, so they are installed without their
dependencies (pip install --no-deps); what cannot be imported is skipped with its reason.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.lazy import Lazy
from helpers.real_data import OWN, messages, real_tokenizer, shared_corpus

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports import FORMATS, ExportContext, export

torch = Lazy("torch")

SIZE, K = 5000, 700
TINY = DraftArchitecture("tiny", 64, 128, 4, 2, 16, SIZE, max_position_embeddings=4096)


def consumer(module: str):
    """The consumer's module, or a skip that names what its import lacks."""
    return pytest.importorskip(module, exc_type=ImportError)


def as_counter(counts) -> Counter:
    """What the consumers count themselves: seen ids only."""
    seen = np.flatnonzero(counts.counts)
    return Counter(dict(zip(seen.tolist(), counts.counts[seen].tolist(), strict=True)))


@pytest.fixture(scope="module")
def counts(make_counts_of):
    """Zipf counts with many ties and unseen ids."""
    drawn = np.random.default_rng(0).zipf(1.3, 30_000) % SIZE
    return make_counts_of(np.bincount(drawn, minlength=SIZE))


@pytest.fixture(scope="module")
def vocabulary(counts):
    return CoverageCurve.of(counts).vocabulary(K)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, counts, vocabulary) -> Path:
    out = tmp_path_factory.mktemp("exports") / "out"
    mappings = [name for name, exporter in FORMATS.items() if not exporter.needs_draft]
    export(vocabulary, mappings, out, ExportContext(counts, TINY, alpha=0.5))
    return out


# ---------------------------------------------------------------- SpecForge


def test_specforge_draft_model_loads_config_and_mapping(exported, vocabulary):
    auto = consumer("specforge.modeling.auto")
    config = auto.AutoDraftModelConfig.from_file(str(exported / "specforge/config.json"))
    assert (config.draft_vocab_size, config.vocab_size) == (K, SIZE)
    draft = auto.AutoDraftModel.from_config(config, attention_backend="sdpa")
    draft.load_vocab_mapping(str(exported / "specforge/vocab_mapping.pt"))
    assert draft.lm_head.weight.shape == (K, TINY.hidden_size)
    assert np.array_equal(draft.d2t.numpy() + np.arange(K), vocabulary.ids)
    assert np.array_equal(draft.t2d.numpy(), vocabulary.t2d)


def test_specforge_finds_the_mapping_consistent(exported):
    check = consumer("specforge.core.compact_teacher").validate_vocab_mapping_consistency
    pair = torch.load(exported / "specforge/vocab_mapping.pt", weights_only=True)
    check(pair["t2d"], pair["d2t"])
    with pytest.raises(ValueError, match="inconsistent"):
        check(pair["t2d"], pair["d2t"] + torch.arange(K))


@pytest.mark.parametrize(("template", "read"), [("qwen", "qwen"), ("tokenizer", "llama3")])
def test_specforge_accepts_the_run_file(tmp_path, make_counts_of, template, read):
    """A template SpecForge does not know is left to its default, which offline runs ignore."""
    schema = consumer("specforge.config.schema")
    counts = make_counts_of(np.ones(SIZE), template=template, max_length=1234)
    vocabulary = CoverageCurve.of(counts).vocabulary(K)
    export(vocabulary, ["specforge"], tmp_path / "out", ExportContext(counts, TINY))
    run = schema.load_config(str(tmp_path / "out/specforge/run.yaml"))
    assert run.training.strategy == "eagle3"
    assert run.model.vocab_mapping_path == "vocab_mapping.pt"
    assert run.model.draft_model_config == "config.json"
    assert (run.data.chat_template, run.data.max_length) == (read, 1234)


@pytest.mark.parametrize("k", [1, K, 4500])
def test_equal_to_specforges_own_selection(counts, k):
    process = consumer("specforge.data.preprocessing").process_token_dict_to_mappings
    d2t, t2d = process(as_counter(counts), k, SIZE)
    ours = CoverageCurve.of(counts).vocabulary(k)
    assert (k == 4500) == (k > counts.distinct)  # the last size needs padding
    assert np.array_equal(d2t.numpy(), ours.d2t)
    assert np.array_equal(t2d.numpy(), ours.t2d)


@pytest.mark.parametrize("source", ["own", "shared"])
def test_equal_to_specforges_own_selection_on_real_counts(source, make_counts_of):
    """Answers under a real tokenizer. k is small: SpecForge's own code takes O(V k)."""
    process = consumer("specforge.data.preprocessing").process_token_dict_to_mappings
    path = OWN / "plain.jsonl" if source == "own" else shared_corpus("gsm8k_test")
    tokenizer = real_tokenizer("llama-3.1").backend
    chats = messages(path, 10_000)
    answers = [m["content"] for chat in chats for m in chat if m["role"] == "assistant"]
    ids = [i for e in tokenizer.encode_batch_fast(answers, add_special_tokens=False) for i in e.ids]
    counts = make_counts_of(np.bincount(ids, minlength=128_256))
    d2t, t2d = process(as_counter(counts), 800, 128_256)
    ours = CoverageCurve.of(counts).vocabulary(800)
    assert np.array_equal(d2t.numpy(), ours.d2t)
    assert np.array_equal(t2d.numpy(), ours.t2d)


# ---------------------------------------------------------------- speculators


@pytest.fixture
def speculators_args(tmp_path):
    """Arguments of `speculators train` for a target whose config is on disk."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": SIZE}))

    def args(**given):
        defaults = {
            "d2t_path": None,
            "t2d_path": None,
            "data_path": str(tmp_path),
            "token_freq_path": None,
            "draft_vocab_size": None,
            "verifier_name_or_path": str(target),
            "trust_remote_code": False,
        }
        return argparse.Namespace(**{**defaults, **given})

    return args


def test_speculators_train_finds_the_mapping(exported, vocabulary, speculators_args, tmp_path):
    cli = consumer("speculators.train.cli")
    home = exported / "speculators"
    by_path = {"d2t_path": str(home / f"d2t-{K}.npy"), "t2d_path": str(home / f"t2d-{K}.npy")}
    only_counts = tmp_path / "data"
    only_counts.mkdir()
    (only_counts / "token_freq.pt").write_bytes((home / "token_freq.pt").read_bytes())
    for given in (
        {**by_path, "draft_vocab_size": K},
        {"data_path": str(home), "draft_vocab_size": K},
        {"data_path": str(only_counts), "draft_vocab_size": K},  # selects from token_freq.pt itself
    ):
        d2t, t2d, size = cli.parse_vocab_mappings(speculators_args(**given))
        assert size == K
        assert np.array_equal(d2t.numpy(), vocabulary.d2t)
        assert np.array_equal(t2d.numpy(), vocabulary.t2d)


def test_speculators_draft_loads_the_mapping(exported, vocabulary):
    models = consumer("speculators.models.eagle3")
    transformers = pytest.importorskip("transformers")
    layer = transformers.LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        vocab_size=SIZE,
        num_attention_heads=4,
        num_hidden_layers=1,
    )
    config = models.Eagle3SpeculatorConfig(transformer_layer_config=layer, draft_vocab_size=K)
    draft = models.Eagle3DraftModel(config)
    d2t, t2d = (
        torch.from_numpy(np.load(exported / f"speculators/{n}.npy")) for n in ("d2t", "t2d")
    )
    draft.load_vocab_mappings(t2d, d2t)
    assert draft.lm_head.weight.shape[0] == K
    assert np.array_equal(draft.d2t.numpy() + np.arange(K), vocabulary.ids)
    assert np.array_equal(draft.t2d.numpy(), vocabulary.t2d)


# ---------------------------------------------------------------- NVIDIA


def test_modelopt_loads_the_cache_and_picks_our_logits(exported, vocabulary):
    eagle = consumer("modelopt.torch.speculative.plugins.hf_eagle").HFEagleModel
    model = SimpleNamespace(
        eagle_config=SimpleNamespace(draft_vocab_size=K, vocab_size=SIZE),
        eagle_module=SimpleNamespace(d2t=torch.zeros(K, dtype=torch.int64)),
    )
    eagle.load_draft_vocab_cache(model, str(exported / "modelopt/d2t.pt"))
    logits = torch.arange(SIZE)[None, None]
    picked = eagle._map_logits_to_draft_vocab(model, logits)
    assert picked.flatten().tolist() == vocabulary.ids.tolist()
    model.eagle_module.d2t = torch.zeros(K - 1, dtype=torch.int64)
    with pytest.raises(ValueError, match="mismatch"):
        eagle.load_draft_vocab_cache(model, str(exported / "modelopt/d2t.pt"))


def test_nemo_loads_the_token_map(exported, vocabulary):
    load = consumer("nemo_automodel.components.datasets.llm.eagle3").load_eagle3_token_mapping
    path = str(exported / "nemo/draft_token_map.pt")
    ids, mask = load(path, target_vocab_size=SIZE, draft_vocab_size=K)
    assert ids.tolist() == vocabulary.ids.tolist()
    assert np.array_equal(mask.numpy(), vocabulary.t2d)
    assert load(path, target_vocab_size=SIZE, draft_vocab_size=K + 1) is None


# ---------------------------------------------------------------- SGLang


def test_sglang_reads_the_token_map(exported, counts, vocabulary):
    """load_token_map alone: importing the module around it needs a GPU stack."""
    spec = importlib.util.find_spec("sglang")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("sglang is not installed")
    source = Path(spec.submodule_search_locations[0], "srt/speculative/spec_utils.py")
    tree = ast.parse(source.read_text("utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", "") == "load_token_map"]
    namespace = {"os": os, "torch": torch, "List": list}
    exec(compile(tree, str(source), "exec"), namespace)
    for file in (f"sglang/freq_{K}.pt", f"sglang-nextn/hot_tokens_{K}.pt"):
        ids = namespace["load_token_map"](str(exported / file))
        assert ids.dtype == torch.int64
        assert np.array_equal(np.sort(ids.numpy()), vocabulary.ids)
        assert (np.diff(counts.counts[ids.numpy()]) <= 0).all()


# ---------------------------------------------------------------- what a wrong file would do


def test_absolute_ids_in_d2t_pass_specforge_but_not_our_reader(exported, tmp_path, vocabulary):
    auto = consumer("specforge.modeling.auto")
    wrong = tmp_path / "vocab_mapping.pt"
    torch.save({"d2t": torch.tensor(vocabulary.ids), "t2d": torch.tensor(vocabulary.t2d)}, wrong)
    config = auto.AutoDraftModelConfig.from_file(str(exported / "specforge/config.json"))
    draft = auto.AutoDraftModel.from_config(config, attention_backend="sdpa")
    draft.load_vocab_mapping(str(wrong))
    assert draft.vocab_mapping_loaded
    with pytest.raises(InputError, match="absolute token ids"):
        FORMATS["specforge"].read(tmp_path, K)
