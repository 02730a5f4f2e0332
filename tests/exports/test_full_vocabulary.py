"""k = V: drafts without a mapping where engines want none, and read back either way."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.consumers import function_of
from helpers.lazy import Lazy
from helpers.model_folders import H, V, draft_config, draft_tensors, write_draft, write_model

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.drafts.evaluate_export import check_draft, for_engines
from vocabtrim_core.drafts.slicing import read_sliced, slice_draft
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports import FORMATS, ExportContext, export, inspect_export, verify
from vocabtrim_core.mappings.imported import import_mapping
from vocabtrim_core.vocabulary import DraftVocabulary

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")

WHOLE = DraftVocabulary(np.arange(V), V)
DRAFTS = [name for name, exporter in FORMATS.items() if exporter.needs_draft]
MAPPINGS = [name for name, exporter in FORMATS.items() if not exporter.needs_draft]
SHAPES = DraftArchitecture("tiny", H, 2 * H, 4, 2, H // 4, V)
# The head rows of a full draft: in token order without and with a mapping, and in another order.
ORDERS = {
    "none": None,
    "identity": np.arange(V),
    "shuffled": np.random.default_rng(0).permutation(V),
}


@pytest.fixture(scope="module", params=ORDERS)
def exported(request, tmp_path_factory):
    """The whole-draft formats at k = V, from a draft whose rows lie as ORDERS says."""
    home = tmp_path_factory.mktemp("full")
    source = write_draft(home / "source", ORDERS[request.param])
    export(WHOLE, DRAFTS, home / "out", ExportContext(draft=source))
    return home / "out"


def test_no_whole_draft_carries_a_mapping(exported):
    """And draft_vocab_size stays: without it SGLang would take the target's head."""
    tensors = safetensors_torch.load_file(exported / "draft/model.safetensors")
    assert not {"d2t", "t2d"} & tensors.keys()
    assert torch.equal(tensors["lm_head.weight"], draft_tensors()["lm_head.weight"])
    config = json.loads((exported / "draft/config.json").read_text())
    assert (config["draft_vocab_size"], config["vocab_size"]) == (V, V)
    assert "no d2t and t2d: vLLM refuses" in " ".join((exported / "README.txt").read_text().split())


def test_whole_drafts_are_read_back(exported):
    verify(exported)
    for name in DRAFTS:
        assert FORMATS[name].read(exported / "draft", V).tolist() == list(range(V))
    found = import_mapping(exported / "draft")
    assert found.valid
    assert found.ids.tolist() == list(range(V))
    slice_draft(exported / "draft", DraftVocabulary([3, 400], V), exported.parent / "two")
    two = safetensors_torch.load_file(exported.parent / "two/model.safetensors")
    assert torch.equal(two["lm_head.weight"], draft_tensors()["lm_head.weight"][[3, 400]])


def test_a_mapping_beside_a_full_head_is_a_problem_of_an_export(exported):
    path = exported / "draft/model.safetensors"
    before = path.read_bytes()
    safetensors_torch.save_file(
        {**safetensors_torch.load_file(path), "d2t": torch.zeros(V, dtype=torch.int64)}, path
    )
    try:
        assert any("which vLLM refuses" in problem for problem in inspect_export(exported).problems)
    finally:
        path.write_bytes(before)


def test_drafts_that_lack_rows_still_need_their_mapping(tmp_path):
    source = write_draft(tmp_path / "source", range(60))
    tensors = safetensors_torch.load_file(source / "model.safetensors")
    safetensors_torch.save_file(
        {n: t for n, t in tensors.items() if n != "t2d"}, source / "model.safetensors"
    )
    with pytest.raises(InputError, match="has no t2d; it is no trimmed draft"):
        read_sliced(source)


# ---------------------------------------------------------------- drafts, each engine's own code


def test_vllm_finds_no_mapping_to_load(exported):
    """Its model has draft_id_to_target_id only where draft_vocab_size differs from V."""
    dropped, loaded = {}, {}

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
        logger=None,
        process_eagle_weight=lambda model, name: None,
        WeightsMapper=lambda **given: dropped.update(given.get("orig_to_new_substr", {})),
    )
    inner = SimpleNamespace(use_aux_hidden_state=True, norm_before_fc=False)
    weights = safetensors_torch.load_file(exported / "draft/model.safetensors")
    load(SimpleNamespace(use_parallel_drafting=False, model=inner), weights.items())
    assert "draft_id_to_target_id" not in loaded
    assert dropped["draft_id_to_target_id"] is None


def test_sglang_takes_draft_ids_for_target_ids(exported):
    load = function_of(
        "sglang",
        "srt/models/llama_eagle3.py",
        "load_weights",
        torch=torch,
        default_weight_loader=lambda parameter, loaded: None,
    )
    weights = safetensors_torch.load_file(exported / "draft/model.safetensors")
    head = {"lm_head.weight": torch.nn.Parameter(torch.zeros(1))}
    model = SimpleNamespace(named_parameters=head.items, hot_token_id=None)
    load(model, [("lm_head.weight", weights["lm_head.weight"])])
    assert model.hot_token_id is None


@pytest.fixture
def specforge():
    """SpecForge's models, run as they are written: compiling the tiny layer takes minutes."""
    auto = pytest.importorskip("specforge.modeling.auto", exc_type=ImportError)
    with torch.compiler.set_stance("force_eager"):
        yield auto


def test_specforges_model_has_the_identity_unless_told_otherwise(exported, specforge):
    """As the held-out evaluation loads it; its embedding is the target's."""
    folder = exported / "draft"
    config = specforge.AutoDraftModelConfig.from_file(str(folder / "config.json"))
    draft = specforge.AutoDraftModel.from_config(config, attention_backend="sdpa")
    missing, unexpected = draft.load_state_dict(
        safetensors_torch.load_file(folder / "model.safetensors"), False
    )
    assert not unexpected
    assert set(missing) == {"d2t", "t2d", "embed_tokens.weight"}
    assert draft.d2t.tolist() == [0] * V
    assert draft.t2d.all()


def test_specforge_does_not_train_on_from_a_folder_without_a_mapping(exported, specforge):
    """Which is why the format says to go on from a checkpoint of the training."""
    loading = pytest.importorskip("specforge.training.model_loading", exc_type=ImportError)
    folder = str(exported / "draft")
    config = specforge.AutoDraftModelConfig.from_file(f"{folder}/config.json")
    draft = specforge.AutoDraftModel.from_config(config, attention_backend="sdpa")
    with pytest.raises(ValueError, match=r"missing draft weights .*'d2t', 't2d'"):
        loading.warm_start_draft_model(
            draft, folder, draft_config=config, strategy="eagle3", allow_missing_embedding=True
        )
    assert "draft_checkpoint_path" in FORMATS["specforge"].full


# ---------------------------------------------------------------- after a training


@pytest.mark.parametrize("k", [60, V])
def test_a_trained_draft_leaves_as_engines_read_it(tmp_path, k):
    """SpecForge writes a mapping always; only a reduced draft keeps it, and both can be checked."""
    vocabulary = DraftVocabulary(np.arange(k), V)
    folder = write_model(tmp_path / "out", draft_tensors(range(k)), draft_config(k))
    before = safetensors_torch.load_file(folder / "model.safetensors")
    check_draft(folder, vocabulary)
    for_engines(folder, SimpleNamespace(aux_layers=(1, 14, 26), vocab_size=V))
    after = safetensors_torch.load_file(folder / "model.safetensors")
    assert before.keys() - after.keys() == ({"d2t", "t2d"} if k == V else set())
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())
    config = json.loads((folder / "config.json").read_text())
    assert config["eagle_aux_hidden_state_layer_ids"] == [2, 15, 27]
    assert config["eagle_config"]["eagle_aux_hidden_state_layer_ids"] == [1, 14, 26]
    check_draft(folder, vocabulary)
    assert read_sliced(folder).ids.tolist() == list(range(k))
    if k == V:
        with pytest.raises(InputError, match="other tokens"):
            check_draft(folder, DraftVocabulary(np.arange(V + 1), V + 1))


# ---------------------------------------------------------------- formats that are mappings alone


@pytest.fixture(scope="module")
def mappings(tmp_path_factory):
    out = tmp_path_factory.mktemp("mappings") / "out"
    export(WHOLE, MAPPINGS, out, ExportContext(architecture=SHAPES))
    return out


def test_mappings_of_all_tokens_are_the_identity_and_say_what_to_do(mappings):
    manifest = verify(mappings)
    for name in MAPPINGS:
        assert FORMATS[name].read(mappings / name, V).tolist() == list(range(V))
        said = [
            note for note in manifest.notes if note.startswith(f"{name}: all V tokens are kept")
        ]
        assert len(said) == (name not in ("ids", "npz")), name


def test_trainers_take_the_identity_or_pass_over_it(mappings):
    d2t = torch.from_numpy(np.load(mappings / f"speculators/d2t-{V}.npy"))
    models = pytest.importorskip("speculators.models.eagle3", exc_type=ImportError)
    from transformers import LlamaConfig

    layer = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        vocab_size=V,
        num_attention_heads=4,
        num_hidden_layers=1,
    )
    draft = models.Eagle3DraftModel(
        models.Eagle3SpeculatorConfig(transformer_layer_config=layer, draft_vocab_size=V)
    )
    draft.load_vocab_mappings(torch.ones(V, dtype=torch.bool), d2t)
    assert draft.d2t is None
    nemo = pytest.importorskip(
        "nemo_automodel.components.datasets.llm.eagle3", exc_type=ImportError
    )
    ids, mask = nemo.load_eagle3_token_mapping(
        str(mappings / "nemo/draft_token_map.pt"), target_vocab_size=V, draft_vocab_size=V
    )
    assert ids.tolist() == list(range(V))
    assert mask.all()


def test_model_optimizer_does_not_read_its_file(mappings):
    eagle = pytest.importorskip("modelopt.torch.speculative.plugins.hf_eagle", exc_type=ImportError)
    model = SimpleNamespace(eagle_config=SimpleNamespace(draft_vocab_size=V, vocab_size=V))
    assert eagle.HFEagleModel.load_draft_vocab_cache(model, "no such file") is None


def test_specforge_loads_the_identity_mapping(mappings):
    auto = pytest.importorskip("specforge.modeling.auto", exc_type=ImportError)
    config = auto.AutoDraftModelConfig.from_file(str(mappings / "specforge/config.json"))
    draft = auto.AutoDraftModel.from_config(config, attention_backend="sdpa")
    draft.load_vocab_mapping(str(mappings / "specforge/vocab_mapping.pt"))
    assert draft.d2t.tolist() == [0] * V
    assert draft.t2d.all()
