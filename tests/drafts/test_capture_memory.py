"""Memory of a capture: estimated before, batches that fit, and one sentence where none does."""

from __future__ import annotations

import json
import math

import pytest
from helpers import ROOT
from helpers.smollm2_folders import H, V, write_target

from vocabtrim_core.cli import main
from vocabtrim_core.drafts import capture_memory, features
from vocabtrim_core.drafts.capture_memory import batch_tokens, capture_bytes
from vocabtrim_core.drafts.estimate import estimate
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.target import load_target
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.drafts.trial import Setting
from vocabtrim_core.errors import InputError


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))


def with_free(monkeypatch, free: float) -> None:
    monkeypatch.setattr(capture_memory, "free_memory", lambda: int(free))


def test_a_capture_takes_its_weights_and_more_for_longer_conversations(small_target):
    weights = sum(path.stat().st_size for path in small_target.folder.glob("*.safetensors"))
    least = capture_bytes(small_target, 64, 64)
    assert least > weights / 2  # stored as float32 or bfloat16, loaded as bfloat16
    assert capture_bytes(small_target, 2048, 64) > least
    assert capture_bytes(small_target, 2048, 2048) > capture_bytes(small_target, 2048, 64)


def test_batches_are_the_usual_ones_where_memory_suffices(small_target, monkeypatch):
    with_free(monkeypatch, 1e12)
    assert batch_tokens(small_target, 128, "cpu") == capture_memory.BATCH_TOKENS["cpu"]
    assert batch_tokens(small_target, 5000, "cpu") == 5000  # a conversation is never cut


def test_batches_shrink_with_the_free_memory(small_target, monkeypatch):
    for tokens in (128, 300, 1500):
        with_free(monkeypatch, capture_bytes(small_target, tokens, 128) + 1)
        assert batch_tokens(small_target, 128, "cpu") == tokens


def test_a_capture_in_little_memory_is_the_same_in_smaller_batches(
    small_target, small_corpus, small_recipe, small_features, monkeypatch, tmp_path
):
    seen, longest, real = list[int](), set[int](), features._samples

    def watched(model, target, sequences, batch):
        longest.add(int(sequences.lengths.max()))
        seen.append(len(batch) * int(sequences.lengths[batch].max()))
        return real(model, target, sequences, batch)

    monkeypatch.setattr(features, "_samples", watched)
    with_free(monkeypatch, capture_bytes(small_target, 200, 128) + 1)
    options = {"held_out": 0.2, "device": "cpu", "max_tokens": 16_000}
    found = features.capture(small_target, small_corpus, small_recipe, **options)
    assert max(seen) <= batch_tokens(small_target, max(longest), "cpu") < 400
    assert len(seen) > 10
    assert (found.train_tokens, found.key) == (small_features.train_tokens, small_features.key)


@pytest.mark.parametrize(
    ("share", "words"), [(0.99, "lower --max-length"), (0.2, "smaller target")]
)
def test_what_does_not_fit_is_refused_before_the_model_is_loaded(
    small, small_corpus, small_target, monkeypatch, capsys, share, words
):
    monkeypatch.setattr(features, "load_model", None)  # would fail
    monkeypatch.setattr(capture_memory, "PROGRAM_BYTES", 0)
    longest = 100
    needed = capture_bytes(small_target, longest, longest)
    with_free(monkeypatch, share * needed)
    argv = ["capture", "--target", small.folder, "--data", small_corpus.files[0]]
    argv += ["--max-length", longest, "--device", "cpu", "--json"]
    assert main([str(word) for word in argv]) == 2
    said = json.loads(capsys.readouterr().out)["error"]
    assert said.startswith("Capturing conversations of ")
    assert "of memory and" in said
    assert words in said


def test_the_estimate_of_a_training_says_it_too(
    small_target, small_corpus, small_recipe, monkeypatch
):
    trainer = Trainer(("python",), {"torch": "2", "specforge": "0.2.0"}, (), (), 1e11)
    plan = TrainingPlan(epochs=1, ttt_length=1, evaluations=1)
    setting = Setting(small_target, small_corpus, small_recipe, plan, Deployment(), trainer)
    assert estimate(setting, [64]).problem is None
    monkeypatch.setattr("vocabtrim_core.drafts.estimate.free_memory", lambda: 1_000_000)
    problem = estimate(setting, [64]).problem
    assert problem is not None
    assert problem.startswith("Capturing conversations of 128 tokens")


def test_a_gpu_is_asked_for_its_own_memory(small_target, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1000, 2000))
    with pytest.raises(InputError, match=r"and 1\.0 kB are free"):
        batch_tokens(small_target, 128, "cuda")


# --- as measured ----------------------------------------------------------------------------------

MEASURED = json.loads((ROOT / "benchmarks" / "results" / "capture_memory.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    """SmolLM2's config and tokenizer, and weights of its shapes that take no disk."""
    folder = write_target(tmp_path_factory.mktemp("smollm2"))
    layer = {
        "input_layernorm": (H,),
        "post_attention_layernorm": (H,),
        "self_attn.q_proj": (H, H),
        "self_attn.k_proj": (192, H),
        "self_attn.v_proj": (192, H),
        "self_attn.o_proj": (H, H),
        "mlp.gate_proj": (1536, H),
        "mlp.up_proj": (1536, H),
        "mlp.down_proj": (H, 1536),
    }
    shapes = {"model.embed_tokens.weight": (V, H), "model.norm.weight": (H,)}
    shapes |= {f"model.layers.{i}.{n}.weight": s for i in range(30) for n, s in layer.items()}
    header, end = dict[str, object](), 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return load_target(folder)


@pytest.mark.parametrize("row", MEASURED["rows"], ids=lambda row: f"{row['batch, tokens']}")
def test_the_estimate_is_what_a_capture_of_the_bundled_target_took(smollm2, row):
    batch, longest = row["batch, tokens"], row["longest conversation, tokens"]
    share = capture_bytes(smollm2, batch, longest) / row["measured, bytes"]
    assert 1 <= share < 1.25  # never less, so that what is let through fits


def test_captures_of_short_and_of_long_conversations_were_measured():
    lengths = [row["longest conversation, tokens"] for row in MEASURED["rows"]]
    assert min(lengths) <= 128
    assert max(lengths) >= 4096
