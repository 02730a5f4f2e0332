"""Trimming a draft's head: what is kept to the bit, what is refused, nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import json
import tracemalloc

import numpy as np
import pytest
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
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.drafts import tensor_files as files
from vocabtrim_core.drafts.slicing import SlicedDraft, read_sliced, slice_draft
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.vocabulary import DraftVocabulary

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")

IDS = np.array([0, 1, 7, 8, 63, 64, 65, 300, 498, 499])


@pytest.fixture
def vocabulary():
    return DraftVocabulary(IDS, V)


def all_tensors(folder):
    return {
        name: t
        for path in sorted(folder.glob("*.safetensors"))
        for name, t in safetensors_torch.load_file(path).items()
    }


def bits(tensor):
    return tensor.contiguous().view(torch.uint8).flatten().tolist()


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("shards", [0, 3])
@pytest.mark.parametrize("embedding", [False, True])
def test_kept_rows_are_the_same_bits(tmp_path, vocabulary, dtype, shards, embedding):
    options = {"dtype": getattr(torch, dtype), "embedding": embedding}
    source = write_draft(tmp_path / "draft", shards=shards, **options)
    sliced = slice_draft(source, vocabulary, tmp_path / "out")
    before, after = all_tensors(source), all_tensors(tmp_path / "out")
    assert after.keys() == before.keys() | {"d2t", "t2d"}
    assert bits(after["lm_head.weight"]) == bits(before["lm_head.weight"][IDS])
    for name in before.keys() - {"lm_head.weight"}:
        assert after[name].dtype == before[name].dtype
        assert bits(after[name]) == bits(before[name]), name
    assert after["d2t"].dtype == torch.int64
    assert after["d2t"].tolist() == (IDS - np.arange(len(IDS))).tolist()
    assert after["t2d"].dtype == torch.bool
    assert after["t2d"].nonzero().flatten().tolist() == IDS.tolist()
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config == {**draft_config(None), "draft_vocab_size": len(IDS)}
    assert (sliced.k, sliced.vocab_size, sliced.source["rows"]) == (len(IDS), V, V)
    assert sliced.head_bytes * V == sliced.head_bytes_before * len(IDS)


def test_logits_of_kept_tokens_are_bit_equal(tmp_path, vocabulary):
    """One logit is one dot product; the matrix product as a whole may round differently by size."""
    source = write_draft(tmp_path / "draft", dtype=torch.float32)
    slice_draft(source, vocabulary, tmp_path / "out")
    full, trimmed = (all_tensors(f)["lm_head.weight"] for f in (source, tmp_path / "out"))
    hidden = torch.randn(5, H, generator=torch.Generator().manual_seed(3))
    for row in hidden:
        before, after = torch.linalg.vecdot(full, row), torch.linalg.vecdot(trimmed, row)
        assert torch.equal(after, before[IDS])
    assert torch.allclose(hidden @ trimmed.T, (hidden @ full.T)[:, IDS], atol=1e-4)


def test_shards_keep_their_names_and_the_index_is_right(tmp_path, vocabulary):
    source = write_draft(tmp_path / "draft", shards=3)
    slice_draft(source, vocabulary, tmp_path / "out")
    index = json.loads((tmp_path / "out/model.safetensors.index.json").read_text())
    found = {
        name: path.name
        for path in (tmp_path / "out").glob("*.safetensors")
        for name in safetensors_torch.load_file(path)
    }
    assert index["weight_map"] == found
    tensors = all_tensors(tmp_path / "out").values()
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors)


def test_everything_else_is_copied_and_stale_weights_are_not(tmp_path, vocabulary):
    source = write_draft(tmp_path / "draft")
    (source / "README.md").write_text("card")
    (source / "generation_config.json").write_text("{}")
    (source / "pytorch_model.bin").write_bytes(b"old head")
    (source / "logs").mkdir()
    (source / ".cache").write_text("")
    sliced = slice_draft(source, vocabulary, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "config.json",
        "model.safetensors",
        "README.md",
        "generation_config.json",
        "vocabtrim.json",
    }
    assert set(sliced.left_out) == {"pytorch_model.bin", "logs"}


def test_the_record_names_source_and_content(tmp_path, vocabulary):
    source = write_draft(tmp_path / "draft")
    sliced = slice_draft(source, vocabulary, tmp_path / "out", command="slice …")
    assert SlicedDraft.load(tmp_path / "out") == sliced
    assert sliced.vocabulary_sha256 == vocabulary.sha256
    assert sliced.source["name"] == "draft"
    for folder, listed in ((source, sliced.source["files"]), (tmp_path / "out", sliced.files)):
        for name, entry in listed.items():
            data = (folder / name).read_bytes()
            assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    slice_draft(source, vocabulary, tmp_path / "again", command="slice …")
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_written_bytes_are_the_librarys(tmp_path):
    tensors = draft_tensors([1, 2, 3])
    safetensors_torch.save_file(tensors, tmp_path / "a.safetensors")
    outgoing = [files.from_file(t) for t in files.read_tensors(tmp_path / "a.safetensors").values()]
    digest = files.write_safetensors(tmp_path / "b.safetensors", outgoing, lambda n, name: None)
    expected = safetensors_torch.save(tensors, {"format": "pt"})
    assert (tmp_path / "b.safetensors").read_bytes() == expected
    assert digest == hashlib.sha256(expected).hexdigest()


def test_torch_files_are_read_too(tmp_path, vocabulary):
    source = write_draft(tmp_path / "draft")
    (source / "model.safetensors").unlink()
    before = draft_tensors()
    torch.save(before, source / "pytorch_model.bin")
    slice_draft(source, vocabulary, tmp_path / "out")
    after = all_tensors(tmp_path / "out")
    assert bits(after["lm_head.weight"]) == bits(before["lm_head.weight"][IDS])
    assert bits(after["fc.weight"]) == bits(before["fc.weight"])
    assert not (tmp_path / "out/pytorch_model.bin").exists()


def test_memory_stays_at_a_few_blocks(tmp_path, monkeypatch):
    size = 100_000
    tensors = {**draft_tensors(), "lm_head.weight": torch.ones(size, H)}
    source = write_model(tmp_path / "draft", tensors, {**draft_config(None), "vocab_size": size})
    monkeypatch.setattr(files, "BLOCK", 2**16)
    wanted = DraftVocabulary(np.arange(0, size, 2), size)
    tracemalloc.start()
    sliced = slice_draft(source, wanted, tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sliced.head_bytes == 12_800_000
    assert peak < sliced.head_bytes / 2


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, V - 1), min_size=1), st.data())
def test_slicing_twice_is_slicing_once(tmp_path_factory, first, data):
    """The second set must lie within the first."""
    second = data.draw(st.sets(st.sampled_from(sorted(first)), min_size=1))
    home = tmp_path_factory.mktemp("twice")
    source = write_draft(home / "draft")
    a, b = (DraftVocabulary.of(ids, V) for ids in (first, second))
    slice_draft(source, a, home / "a")
    slice_draft(home / "a", b, home / "ab")
    slice_draft(source, b, home / "b")
    for name in ("model.safetensors", "config.json"):
        assert (home / "ab" / name).read_bytes() == (home / "b" / name).read_bytes()


# ---------------------------------------------------------------- heads that are reduced already


def test_a_subset_of_a_reduced_head_composes(tmp_path):
    shuffled = np.random.default_rng(0).permutation(V)[:50]  # rows in any order
    source = write_draft(tmp_path / "draft", shuffled)
    wanted = DraftVocabulary(np.sort(shuffled[:9]), V)
    slice_draft(source, wanted, tmp_path / "out")
    full = draft_tensors()["lm_head.weight"]
    assert bits(all_tensors(tmp_path / "out")["lm_head.weight"]) == bits(full[wanted.ids.tolist()])


def test_tokens_that_were_dropped_before_are_refused_or_dropped(tmp_path, vocabulary):
    source = write_draft(tmp_path / "draft", np.arange(100))
    with pytest.raises(InputError, match=r"reduced to 100 tokens .* 3 of the 10 wanted.*300"):
        slice_draft(source, vocabulary, tmp_path / "out")
    sliced = slice_draft(source, vocabulary, tmp_path / "out", drop_missing=True)
    assert (sliced.k, sliced.dropped) == (7, (300, 498, 499))
    assert read_sliced(tmp_path / "out").ids.tolist() == IDS[:7].tolist()
    with pytest.raises(InputError, match=r"Choose among its own tokens\.$"):
        slice_draft(source, DraftVocabulary(IDS[7:], V), tmp_path / "no", drop_missing=True)


# ---------------------------------------------------------------- the target's head


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("shards", [0, 2])
def test_rows_come_from_the_target(tmp_path, vocabulary, tied, shards):
    tensors = draft_tensors()
    del tensors["lm_head.weight"]
    source = write_model(tmp_path / "draft", tensors, draft_config(None), shards)
    target = write_target(tmp_path / "target", tied=tied, shards=shards)
    sliced = slice_draft(source, vocabulary, tmp_path / "out", target=target)
    name = "model.embed_tokens.weight" if tied else "lm_head.weight"
    expected = all_tensors(target)[name][IDS]
    assert bits(all_tensors(tmp_path / "out")["lm_head.weight"]) == bits(expected)
    assert sliced.head_from == "target"
    assert sliced.target["name"] == "target"
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["draft_vocab_size"] == len(IDS)
    assert config["tie_word_embeddings"] is False


def test_a_target_of_another_vocabulary_is_refused(tmp_path, vocabulary):
    tensors = draft_tensors()
    del tensors["lm_head.weight"]
    source = write_model(tmp_path / "draft", tensors, draft_config(None))
    with pytest.raises(InputError, match=r"no lm_head\.weight of its own.*--target"):
        slice_draft(source, vocabulary, tmp_path / "out")
    target = write_target(tmp_path / "target")
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, "vocab_size": 480}))
    with pytest.raises(InputError, match=r"vocab_size = 500, but the target .* says 480"):
        slice_draft(source, vocabulary, tmp_path / "out", target=target)


class Payload:
    """Something torch.load must never build."""


# ---------------------------------------------------------------- refused, in one sentence


def without(name):
    return lambda tensors, config: tensors.pop(name)


def changed(name, value):
    return lambda tensors, config: tensors.update({name: value(tensors[name])})


def said(**fields):
    return lambda tensors, config: config.update(fields)


def added(name, *shape):
    return lambda tensors, config: tensors.update({name: torch.ones(shape)})


REFUSED = {
    "EAGLE-1 draft": (without("fc.weight"), "lacks an fc.weight.*token map"),
    "attention of H": (
        lambda tensors, config: tensors.update(
            {n: t[:, :H].clone() for n, t in tensors.items() if "self_attn" in n}
        ),
        "lacks attention over 2 x 64",
    ),
    "fusion of another width": (
        changed("fc.weight", lambda t: t[:32].clone()),
        "fc.weight has shape",
    ),
    "no head": (without("lm_head.weight"), "no lm_head.weight of its own"),
    "tied": (said(tie_word_embeddings=True), "ties its head"),
    "narrow head": (changed("lm_head.weight", lambda t: t[:, :8].clone()), r"shape \[500, 8\]"),
    "flat head": (changed("lm_head.weight", lambda t: t.flatten()), r"shape \[32000\]"),
    "quantised head": (
        changed("lm_head.weight", lambda t: t.to(torch.float8_e4m3fn)),
        "F8_E4M3, a quantised head",
    ),
    "packed head": (changed("lm_head.weight", lambda t: t.to(torch.int8)), "I8, a quantised head"),
    "scales beside the head": (
        added("lm_head.weight_scale", V, 1),
        "beside lm_head.weight there is lm_head",
    ),
    "bias": (added("lm_head.bias", V), r"lm_head\.bias"),
    "V of the config": (said(vocab_size=512), r"V = 500, but .* says vocab_size = 512|500 .* 512"),
    "V missing": (lambda tensors, config: config.pop("vocab_size"), "no vocab_size"),
    "V not a number": (said(vocab_size="big"), "whole positive number"),
    "size of the config": (said(draft_vocab_size=32), "draft_vocab_size = 32, but .* 500 rows"),
    "unknown rows": (
        changed("lm_head.weight", lambda t: t[:40].clone()),
        "40 rows .* 500, but no d2t says",
    ),
    "too many rows": (
        changed("lm_head.weight", lambda t: torch.cat([t, t])),
        "1,000 rows, more than vocab_size",
    ),
    "embedding of another V": (
        added("embed_tokens.weight", 480, H),
        r"embed_tokens\.weight has .*480, 64",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused(tmp_path, vocabulary, name):
    change, message = REFUSED[name]
    tensors, config = draft_tensors(), draft_config(None)
    change(tensors, config)
    source = write_model(tmp_path / "draft", tensors, config)
    with pytest.raises(InputError, match=message) as raised:
        slice_draft(source, vocabulary, tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft"]


MAPPINGS = {
    "absolute ids": (lambda t: t.update(d2t=t["d2t"] + torch.arange(50)), "absolute token ids"),
    "floats": (lambda t: t.update(d2t=t["d2t"].float()), "whole numbers .* F32"),
    "short": (lambda t: t.update(d2t=t["d2t"][:49].clone()), "49 entries, .* 50 rows"),
    "another t2d": (lambda t: t.update(t2d=~t["t2d"]), "t2d marks 450 tokens"),
    "t2d of another V": (lambda t: t.update(t2d=t["t2d"][:90].clone()), "t2d has 90 .* is 500"),
    "never loaded": (
        lambda t: t.update(
            d2t=torch.zeros(50, dtype=torch.int64), t2d=torch.ones(V, dtype=torch.bool)
        ),
        "t2d marks 500 tokens",
    ),
    "out of range": (lambda t: (t.update(d2t=t["d2t"] + 2), t.pop("t2d")), "outside 0"),
    "twice": (lambda t: (t.update(d2t=-torch.arange(50)), t.pop("t2d")), "occurs more than once"),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_mappings_that_do_not_fit_their_head_are_refused(tmp_path, name):
    change, message = MAPPINGS[name]
    tensors = draft_tensors(np.arange(450, 500))
    change(tensors)
    source = write_model(tmp_path / "draft", tensors, draft_config(50))
    with pytest.raises(InputError, match=message):
        slice_draft(source, DraftVocabulary(np.arange(455, 460), V), tmp_path / "out")


def test_another_vocabulary_is_refused_with_both_sizes(tmp_path):
    source = write_draft(tmp_path / "draft")
    with pytest.raises(InputError, match=r"V = 512, but .*vocab_size = 500"):
        slice_draft(source, DraftVocabulary(IDS, 512), tmp_path / "out")


def test_damaged_folders_give_one_sentence(tmp_path, vocabulary):
    def refused(message):
        with pytest.raises(InputError, match=message) as raised:
            slice_draft(source, vocabulary, tmp_path / "out")
        assert "\n" not in str(raised.value)

    source = tmp_path / "draft"
    refused("no model folder")
    source.mkdir()
    refused(r"no config\.json")
    (source / "config.json").write_text("{")
    refused("not readable JSON")
    (source / "config.json").write_text("[]")
    refused("one JSON object, not a list")
    (source / "config.json").write_text("{}")
    refused("no weights that can be read")
    write_draft(source)
    weights = (source / "model.safetensors").read_bytes()
    for kept in (0, 4, 8, 200, len(weights) - 1):
        (source / "model.safetensors").write_bytes(weights[:kept])
        refused("not an intact safetensors file")
    (source / "model.safetensors").write_bytes(weights + b"x")
    refused("not an intact safetensors file")
    (source / "model.safetensors").unlink()
    for content in ({"lm_head.weight": Payload()}, [1, 2], {"lm_head.weight": "x"}):
        torch.save(content, source / "pytorch_model.bin")
        refused("not a torch file of plain tensors")


def test_a_broken_index_is_refused(tmp_path, vocabulary):
    source = write_draft(tmp_path / "draft", shards=2)
    path = source / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    first = next(iter(index["weight_map"]))
    for places, message in (
        ({}, "must hold a"),
        ({**index["weight_map"], first: "../config.json"}, "not a file beside it"),
        ({**index["weight_map"], first: "gone.safetensors"}, "that file is missing"),
        ({**index["weight_map"], "ghost": "model-00001-of-00002.safetensors"}, "not there"),
    ):
        path.write_text(json.dumps({"weight_map": places}))
        with pytest.raises(InputError, match=message):
            slice_draft(source, vocabulary, tmp_path / "out")


# ---------------------------------------------------------------- nothing half-written


def test_a_folder_in_use_is_never_overwritten(tmp_path, vocabulary):
    source = write_draft(tmp_path / "draft")
    slice_draft(source, vocabulary, tmp_path / "out")
    before = (tmp_path / "out/model.safetensors").read_bytes()
    with pytest.raises(InputError, match="not empty"):
        slice_draft(source, vocabulary, tmp_path / "out")
    with pytest.raises(InputError, match="not empty"):
        slice_draft(source, vocabulary, source)
    assert (tmp_path / "out/model.safetensors").read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        slice_draft(source, vocabulary, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    slice_draft(source, vocabulary, tmp_path / "empty")


def test_progress_counts_and_a_wish_to_stop_leaves_nothing(tmp_path, monkeypatch, vocabulary):
    source = write_draft(tmp_path / "draft")
    seen = []
    slice_draft(
        source,
        vocabulary,
        tmp_path / "out",
        progress=lambda done, total, message: seen.append((done, total)),
    )
    assert seen == sorted(seen)
    assert seen[-1][0] <= seen[-1][1]

    def stop(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        slice_draft(source, vocabulary, tmp_path / "stopped", progress=stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["draft", "out"]


@pytest.mark.parametrize(("code", "message"), [(errno.ENOSPC, "is full"), (errno.EIO, "Cannot")])
def test_a_disk_that_fails_leaves_nothing(tmp_path, monkeypatch, vocabulary, code, message):
    source = write_draft(tmp_path / "draft")

    def fail(*_):
        raise OSError(code, "no luck")

    with pytest.raises(InputError, match=message):
        slice_draft(source, vocabulary, tmp_path / "out", progress=fail)
    assert [p.name for p in tmp_path.iterdir()] == ["draft"]
