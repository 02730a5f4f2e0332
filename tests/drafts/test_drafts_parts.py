"""Training drafts, the parts that need no SpecForge process: parser, loss, capture, run files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from helpers.lazy import Lazy

from benchmarks import language_model
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts import metrics, training_env
from vocabtrim_core.drafts.evaluate_export import acceptance
from vocabtrim_core.drafts.feature_sets import load_features
from vocabtrim_core.drafts.features import capture, estimate_bytes
from vocabtrim_core.drafts.plan import (
    SMALL_MAX_TOKENS,
    Deployment,
    OnlineServers,
    TrainingPlan,
    online_run_file,
    run_file,
)
from vocabtrim_core.drafts.target import aux_layers, load_target, trainer_folder
from vocabtrim_core.drafts.tokenized_dataset import is_held_out, read_sequences
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.spans import counted_mask, ids_inside

torch = Lazy("torch")
torch_loss = Lazy("vocabtrim_core.drafts.torch_loss")

GOLDEN = Path(__file__).with_name("golden")


# --- what SpecForge prints ----------------------------------------------------------------------


def test_parses_train_and_eval_lines() -> None:
    train = metrics.parse("step 5: {'train/loss': 0.42, 'train/acc_0': 0.17, 'lr': 1e-04}\n")
    assert train is not None
    assert (train.step, train.kind) == (5, "train")
    assert train.values == {"loss": 0.42, "acc_0": 0.17, "lr": 1e-4}
    listed = metrics.parse(
        "step 10: {'eval/per_position_acc': [0.5, 0.25], 'eval/simulated_acc_len': 0.625}"
    )
    assert listed is not None
    assert listed.kind == "eval"
    assert listed.values["eval/per_position_acc/1"] == 0.25
    assert listed.acceptance_length == 1.625


@pytest.mark.parametrize(
    "line", ["", "step", "step 5: nothing", "Step 5: {}", "step 5: {'a': __import__('os')}"]
)
def test_other_lines_are_no_metrics(line: str) -> None:
    assert metrics.parse(line) is None


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
def test_a_loss_that_is_no_number_is_seen_and_survives_the_file(bad: str, tmp_path: Path) -> None:
    found = metrics.parse(f"step 7: {{'train/loss': {bad}, 'train/name_nan': 1.0}}")
    assert found is not None
    assert found.broken == "loss"
    path = tmp_path / metrics.FILE
    path.write_text(found.json() + "\n" + '{"step": 8, "ki', "utf-8")
    (again,) = metrics.read_metrics(path)
    assert again.broken == "loss"
    assert json.loads(found.json())["loss"] == bad


def test_recorded_output(shared: Path) -> None:
    recorded = shared / "reference/specforge_sglang/specforge_train_stdout.txt"
    lines = recorded.read_text("utf-8").splitlines()
    found = [m for m in map(metrics.parse, lines) if m]
    assert len(found) == sum(line.startswith("step ") for line in lines) > 20
    assert not any(m.broken for m in found)
    assert found[0].step == 5
    assert found[0].values["ploss_2"] == pytest.approx(0.17261146)
    assert all("loss" in m.values for m in found if m.kind == "train")


def test_a_step_trained_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / metrics.FILE
    lines = [
        metrics.Metrics(step, "train", {"loss": loss})
        for step, loss in ((1, 3.0), (2, 2.0), (3, 9.0), (3, 1.0))
    ]
    path.write_text("".join(m.json() + "\n" for m in lines), "utf-8")
    assert [m.values["loss"] for m in metrics.read_metrics(path)] == [3.0, 2.0, 1.0]
    assert metrics.read_metrics(tmp_path / "none") == []


# --- the loss -----------------------------------------------------------------------------------


def _formula(logits: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return -(mask * target * torch.log_softmax(logits, 2)).sum(2).mean()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loss_equals_the_formula_and_a_float64_reference(dtype: str) -> None:
    dtype = getattr(torch, dtype)
    torch.manual_seed(1)
    shape = (2, 150, 97)  # more rows than one chunk holds
    logits = (4 * torch.randn(shape)).to(dtype).requires_grad_()
    target = torch.softmax(torch.randn(shape), 2)
    mask = (torch.rand(2, 150, 1) < 0.6).int()
    loss = torch_loss.LogSoftmaxLoss.apply(logits, target, mask)
    (loss * 3).backward()
    exact = logits.detach().double().requires_grad_()
    reference = _formula(exact, target.double(), mask)
    (reference * 3).backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-6)
    assert loss.item() == pytest.approx(
        _formula(logits.detach().float(), target, mask).item(), rel=1e-6
    )
    assert logits.grad is not None
    tolerance = 1e-6 if dtype is torch.float32 else 4e-3
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=tolerance, atol=1e-8)
    assert not logits.grad[(mask == 0).squeeze(-1)].any()


def test_loss_without_a_counted_position_is_zero() -> None:
    logits = torch.randn(1, 3, 5, requires_grad=True)
    loss = torch_loss.LogSoftmaxLoss.apply(logits, torch.full((1, 3, 5), 0.2), torch.zeros(1, 3, 1))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_wide_cross_entropy_equals_torch() -> None:
    from benchmarks.linear_cross_entropy import LinearCrossEntropy

    torch.manual_seed(2)
    hidden = torch.randn(700, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    labels = torch.randint(0, 50, (700,))
    LinearCrossEntropy.apply(hidden, weight, labels).backward()
    found = hidden.grad.clone(), weight.grad.clone()
    hidden.grad = weight.grad = None
    plain = torch.nn.functional.cross_entropy(hidden @ weight.T, labels)
    plain.backward()
    loss = LinearCrossEntropy.apply(hidden, weight, labels)
    assert loss.item() == pytest.approx(plain.item(), rel=5e-3)
    for ours, theirs in zip(found, (hidden.grad, weight.grad), strict=True):
        assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_acceptance_is_of_sums_with_an_interval_over_conversations() -> None:
    def measured(correct, counted) -> dict:
        return acceptance("some words\n" + json.dumps({"correct": correct, "counted": counted}))

    found = measured([[6, 1], [0, 0]], [[10, 10], [2, 2]])
    assert found["per_position_accuracy"] == [0.5, pytest.approx(1 / 12)]
    assert found["acceptance_length"] == pytest.approx(1 + 0.5 + 0.5 / 12)
    assert (found["held_out_tokens"], found["held_out_conversations"]) == (12, 2)
    low, high = found["acceptance_interval"]
    assert (low, high) == (1.0, pytest.approx(1.66))  # only one of the two, twice
    alike = measured([[5, 2]] * 30, [[10, 10]] * 30)
    assert alike["acceptance_interval"] == pytest.approx([1.6, 1.6])
    assert measured([[5, 2]], [[10, 10]])["acceptance_interval"] is None


# --- target and features ------------------------------------------------------------------------


def test_layers_that_are_fused() -> None:
    assert aux_layers(32) == (1, 15, 28)  # SpecForge's default
    for layers in range(4, 80):
        found = aux_layers(layers)
        assert len(set(found)) == 3
        assert list(found) == sorted(found)
        assert found[-1] < layers - 1


def test_target_is_read(small) -> None:
    target = load_target(small.folder)
    assert (target.vocab_size, target.hidden_size, target.layers) == (700, 64, 4)
    assert not target.bundled
    assert (target.head_key, target.embedding_key) == (
        "lm_head.weight",
        "model.embed_tokens.weight",
    )
    assert target.draft_config(64)["draft_vocab_size"] == 64


def test_a_target_without_an_index_gets_one_beside_links(small, tmp_path: Path) -> None:
    view = trainer_folder(load_target(small.folder), tmp_path)
    places = json.loads((view / "model.safetensors.index.json").read_text("utf-8"))["weight_map"]
    assert places["lm_head.weight"] == "model.safetensors"
    assert (view / "model.safetensors").resolve() == (small.folder / "model.safetensors").resolve()
    stamp = (view / "model.safetensors.index.json").stat().st_mtime_ns
    assert trainer_folder(load_target(small.folder), tmp_path) == view
    assert (view / "model.safetensors.index.json").stat().st_mtime_ns == stamp


def test_what_is_no_target_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model folder"):
        load_target(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match="no weights"):
        load_target(tmp_path)


def test_mask_marks_the_ids_that_counting_counts(small, small_recipe) -> None:
    text, spans = small_recipe.template.spans(
        [
            {"role": "user", "content": "Call it."},
            {"role": "assistant", "content": "{}, done"},
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "Because."},
        ],
        "assistant",
    )
    encoding = small_recipe.tokenizer.backend.encode(text, add_special_tokens=False)
    for masks in (False, True):
        for limit in (None, len(encoding.ids) // 2):
            mask = counted_mask(encoding, spans, masks=masks, limit=limit)
            inside = ids_inside(encoding, spans, masks=masks, limit=limit)
            counted = np.array(encoding.ids[:limit])[mask]
            assert counted.tolist() == np.concatenate(inside).tolist()
    assert len(counted)


def test_held_out_is_decided_by_content(small_corpus, small_recipe) -> None:
    first = read_sequences(small_corpus, small_recipe, held_out=0.3)
    fewer = read_sequences(small_corpus, small_recipe, held_out=0.3, max_tokens=4000)
    n = len(fewer)
    assert n < len(first)
    assert fewer.held_out.tolist() == first.held_out[:n].tolist()
    assert 0.1 < np.mean([is_held_out(str(i), 0.3) for i in range(1000)]) < 0.5
    with pytest.raises(InputError, match="within 2 tokens"):
        read_sequences(
            small_corpus,
            CountConfig(small_recipe.tokenizer, small_recipe.template, max_length=2),
            held_out=0.3,
        )


def test_a_token_limit_takes_from_every_file(small_corpus, small_recipe, tmp_path) -> None:
    copies = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for path in copies:
        path.write_bytes(small_corpus.files[0].read_bytes())
    both = open_corpus(copies)
    some = read_sequences(both, small_recipe, held_out=0.3, max_tokens=4000)
    assert 4000 <= some.ids.size < 4400
    first = some.sample(0)[0].tolist()
    again = [i for i in range(1, len(some)) if some.sample(i)[0].tolist() == first]
    assert again
    assert 1500 < some.offsets[again[0]] < 2500


def test_captured_features_are_the_layers_inputs(small, small_target, small_features) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(small.folder, dtype=torch.bfloat16).eval()
    inputs: dict[int, torch.Tensor] = {}

    def listen(layer: int):
        return lambda module, args: inputs.update({layer: args[0].clone()})

    for i, layer in enumerate(model.model.layers):
        layer.register_forward_pre_hook(listen(i))
    model.model.norm.register_forward_pre_hook(listen(small_target.layers))
    train = sorted(small_features.train.rglob("*.ckpt"))[:3]
    for path in (*train, next(small_features.eval.rglob("*.ckpt"))):
        sample = torch.load(path, weights_only=True)
        with torch.inference_mode():
            out = model(sample["input_ids"][None])
        # What a layer puts out is what the next one, or the last norm, takes in.
        wanted = torch.cat([inputs[layer + 1] for layer in small_target.aux_layers], -1)
        torch.testing.assert_close(sample["aux_hidden_state"], wanted, rtol=0.02, atol=0.03)
        logits = model.lm_head(sample["hidden_state"])
        torch.testing.assert_close(logits, out.logits, rtol=0.03, atol=0.06)
        assert sample["aux_hidden_state"].dtype == torch.bfloat16
        assert sample["loss_mask"].dtype == torch.int64
        assert len(sample["loss_mask"]) == len(sample["input_ids"])


def test_capture_continues_where_it_stopped(
    small, small_corpus, small_recipe, small_features
) -> None:
    before = {p: p.stat().st_mtime_ns for p in small_features.folder.rglob("*.ckpt")}
    assert len(before) == small_features.train_samples + small_features.eval_samples
    lost = sorted(before)[5]
    lost.unlink()
    (small_features.folder / "features.json").unlink()
    again = capture(
        load_target(small.folder),
        small_corpus,
        small_recipe,
        held_out=0.2,
        device="cpu",
        max_tokens=SMALL_MAX_TOKENS,
    )
    after = {p: p.stat().st_mtime_ns for p in again.folder.rglob("*.ckpt")}
    assert after.keys() == before.keys()
    assert [p for p in before if before[p] != after[p]] == [lost]
    assert load_features(again.key[:8]).train_tokens == small_features.train_tokens
    tokens = again.train_tokens + again.eval_tokens
    assert again.bytes == pytest.approx(estimate_bytes(tokens, len(after), 64), rel=0.05)


def test_capture_says_what_will_not_fit(small, small_corpus, small_recipe, monkeypatch) -> None:
    from vocabtrim_core.workspace import disk

    monkeypatch.setattr(disk, "free_bytes", lambda path: 1000)
    with pytest.raises(InputError, match="full"):
        capture(load_target(small.folder), small_corpus, small_recipe, held_out=0.25, device="cpu")


# --- run files ----------------------------------------------------------------------------------

FILES = {
    "specforge-cpu.yaml": run_file(
        TrainingPlan(max_steps=40, ttt_length=3, start="target"),
        Deployment(),
        run_id="k4380",
        steps=40,
        target="target",
        head_key="lm_head.weight",
        embedding_key="model.embed_tokens.weight",
        features="features/train",
        held_out="features/eval",
        max_length=512,
        start="start",
    ),
    "specforge-cpu-resumed.yaml": run_file(
        TrainingPlan(max_steps=40, ttt_length=3, start="target"),
        Deployment(),
        run_id="k4380",
        steps=40,
        target="target",
        head_key="lm_head.weight",
        embedding_key="model.embed_tokens.weight",
        features="features/train",
        held_out="features/eval",
        max_length=512,
        start="start",
        resume=True,
    ),
    "specforge-two-nodes.yaml": run_file(
        TrainingPlan(),
        Deployment("cuda", 8, 2, 0, "10.0.0.1"),
        run_id="k13264",
        steps=5000,
        target="target",
        head_key="lm_head.weight",
        embedding_key="model.embed_tokens.weight",
        features="features/train",
        held_out="features/eval",
        max_length=4096,
    ),
    "specforge-online.yaml": online_run_file(
        TrainingPlan(),
        OnlineServers((2, 3), ((0,), (1,))),
        run_id="k13264",
        target="target",
        head_key="lm_head.weight",
        embedding_key="model.embed_tokens.weight",
        corpus="train.jsonl",
        template="llama3",
        max_length=4096,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_run_files_are_as_recorded(name: str) -> None:
    assert FILES[name] == (GOLDEN / name).read_text("utf-8")


def test_plans_that_cannot_be() -> None:
    for wrong in ({"epochs": 0}, {"learning_rate": 0.0}, {"start": "there"}, {"max_steps": 0}):
        with pytest.raises(InputError):
            TrainingPlan(**wrong)
    with pytest.raises(InputError, match="one process"):
        Deployment("cpu", processes=2)
    with pytest.raises(InputError, match="address"):
        Deployment("cuda", 1, 2)
    with pytest.raises(InputError, match="do not fill"):
        TrainingPlan(batch_size=8).steps(7)
    assert TrainingPlan(epochs=3, batch_size=2, max_steps=100).steps(9) == 12


def test_the_last_error_of_a_traceback_is_what_people_read() -> None:
    error = "pydantic_core._pydantic_core.ValidationError: 1 error"
    said = f"[rank0]: Traceback (most recent call last):\n[rank0]:   File x\n[rank0]: {error}\n"
    assert training_env.complaint(said + "[rank0]:   epochs: bad") == f"{error} epochs: bad"


def test_a_trainer_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not start"):
        training_env.probe((str(tmp_path / "python"),))
    with pytest.raises(InputError, match="does not start"):
        training_env.probe(("/bin/echo",))


# --- a small target ------------------------------------------------------------------------------


def test_unigram_loss_of_even_counts() -> None:
    from vocabtrim_core.corpora import SkipReport
    from vocabtrim_core.drafts.tokenized_dataset import Sequences

    ids = np.arange(8, dtype=np.int32) % 4
    sequences = Sequences(
        ids, np.ones(8, bool), np.array([0, 4, 8]), np.array([False, True]), 0, SkipReport()
    )
    assert language_model.unigram_loss(sequences, 4) == pytest.approx(math.log(4))  # all 4 alike


def test_corpus_opens_again(small_corpus) -> None:
    assert open_corpus(small_corpus.files[0]).fingerprint() == small_corpus.fingerprint()
