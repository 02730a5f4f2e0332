"""Rows of a head in every layout: bit for bit, or refused with the reason."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch
from helpers.mtp_checkpoints import LAYOUTS, H, V, mtp_layer, plain, values, write_checkpoint
from safetensors.torch import load_file

from vocabtrim_core.drafts.mtp.checkpoint_copy import (
    IDS,
    SHARD,
    copy_with_draft_head,
    read_draft_head,
)
from vocabtrim_core.drafts.mtp.heads import find_heads
from vocabtrim_core.errors import InputError
from vocabtrim_core.vocabulary import DraftVocabulary

BLOCK = [*range(256, 384), *range(0, 64)]
SCATTERED = sorted({*range(0, 384, 7), 1, 2, 383, 100, 101, 5, 6, 120, 121})
ROWS = np.array(SCATTERED[: len(SCATTERED) // 8 * 8])
INDEX = "model.safetensors.index.json"


def vocabulary(ids) -> DraftVocabulary:
    return DraftVocabulary.of(ids, V)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "fp8 blocks"])
def test_kept_rows_mean_what_they_meant(layout, tmp_path):
    head = write_checkpoint(tmp_path / "model", layout)
    record = copy_with_draft_head(tmp_path / "model", vocabulary(ROWS), tmp_path / "copy")
    written = load_file(tmp_path / "copy" / SHARD)
    before, after = values(layout, head, "lm_head"), values(layout, written, "mtp.draft_lm_head")
    if layout.startswith("gptq"):  # of which the helper computes every seventh row, for speed
        wanted = [row for row in ROWS[::7]]
        before = np.array([gptq_row(layout, head, row) for row in wanted])
    else:
        before = before[ROWS]
    assert after.shape == before.shape
    assert np.array_equal(before, after)
    assert torch.load(tmp_path / "copy" / IDS, weights_only=True).tolist() == ROWS.tolist()
    assert record.draft_head_bytes == sum(t.nbytes for t in written.values())
    assert record.head_bytes == sum(t.nbytes for t in head.values())


def gptq_row(layout: str, head: dict, row: int) -> list[float]:
    """One row by the definition, from the whole head."""
    bits = 8 if "int8" in layout else 4
    each, mask = 32 // bits, 2**bits - 1
    q, z = (head[f"lm_head.{n}"].numpy().view(np.uint32) for n in ("qweight", "qzeros"))
    scales = head["lm_head.scales"].double().numpy()
    out = []
    for i in range(H):
        group = int(head["lm_head.g_idx"][i])
        value = int(q[i // each, row]) >> (bits * (i % each)) & mask
        zero = int(z[group, row // each]) >> (bits * (row % each)) & mask
        out.append((value - zero - 1) * scales[group, row])
    return out


def test_blocks_of_fp8_are_kept_whole_or_not_at_all(tmp_path):
    head = write_checkpoint(tmp_path / "model", "fp8 blocks")
    with pytest.raises(InputError, match=r"one scale for 128 rows each .* whole blocks of 128"):
        copy_with_draft_head(tmp_path / "model", vocabulary(ROWS), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    ids = [*range(128, 384)]
    copy_with_draft_head(tmp_path / "model", vocabulary(ids), tmp_path / "copy")
    written = load_file(tmp_path / "copy" / SHARD)
    before = values("fp8 blocks", head, "lm_head")[ids]
    assert np.array_equal(before, values("fp8 blocks", written, "mtp.draft_lm_head"))


@pytest.mark.parametrize("layout", ["awq int4", "gptq int4", "compressed int4 zeros"])
def test_packed_rows_need_a_multiple(layout, tmp_path):
    write_checkpoint(tmp_path / "model", layout)
    with pytest.raises(InputError, match=r"packs 8 rows .* multiple of 8, not 13; add 3 tokens"):
        copy_with_draft_head(tmp_path / "model", vocabulary(range(13)), tmp_path / "copy")


@pytest.mark.parametrize("sharded", [True, False])
def test_the_copy_is_links_and_the_source_is_as_it_was(sharded, tmp_path):
    write_checkpoint(tmp_path / "model", sharded=sharded)
    before = {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()}
    record = copy_with_draft_head(tmp_path / "model", vocabulary(ROWS), tmp_path / "copy")
    assert before == {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()}
    for name in record.linked:
        assert (tmp_path / "model" / name).samefile(tmp_path / "copy" / name)
    assert all(name.endswith(".safetensors") for name in record.linked)
    assert not (tmp_path / "model" / "config.json").samefile(tmp_path / "copy" / "config.json")
    places = json.loads((tmp_path / "copy" / INDEX).read_text())["weight_map"]
    assert places["mtp.draft_lm_head.weight"] == SHARD
    for name, file in places.items():
        assert name in load_file(tmp_path / "copy" / file)
    ids, size = read_draft_head(tmp_path / "copy")
    assert (ids.tolist(), size) == (ROWS.tolist(), V)


def test_weights_are_never_copied_to_another_disk(tmp_path, monkeypatch):
    """And folders that are not taken along are named."""
    write_checkpoint(tmp_path / "model")
    (tmp_path / "model" / "original").mkdir()
    record = copy_with_draft_head(tmp_path / "model", vocabulary(ROWS), tmp_path / "copy")
    assert record.left_out == ("original",)

    def other_disk(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", other_disk)
    with pytest.raises(InputError, match=r"name a folder on the disk of the model"):
        copy_with_draft_head(tmp_path / "model", vocabulary(ROWS), tmp_path / "far")
    assert not (tmp_path / "far").exists()


def test_a_draft_that_uses_the_head_of_its_target(tmp_path):
    draft = {"fc.weight": torch.zeros(H, 2 * H), "layers.0.mlp.up.weight": torch.zeros(4, H)}
    write_checkpoint(tmp_path / "draft", draft=draft, sharded=False)
    tensors = load_file(tmp_path / "draft" / "model.safetensors")
    tensors.pop("lm_head.weight")
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "draft" / "model.safetensors")
    with pytest.raises(InputError, match=r"EAGLE draft \(fc\) uses the head of its target"):
        find_heads(tmp_path / "draft")


def test_a_tied_head_is_copied_from_the_embedding(tmp_path):
    head = write_checkpoint(tmp_path / "model", tie_word_embeddings=True)
    record = copy_with_draft_head(tmp_path / "model", vocabulary(ROWS), tmp_path / "copy")
    written = load_file(tmp_path / "copy" / SHARD)["mtp.draft_lm_head.weight"]
    assert torch.equal(written, head["lm_head.weight"][ROWS])
    assert any("tied to the embedding" in note for note in record.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tie_word_embeddings": False, "drop": True}, r"has no lm_head, though config.json does"),
        ({"vocab_size": V + 64}, r"lm_head has 384 rows, but config.json says vocab_size = 448"),
    ],
)
def test_heads_that_do_not_fit_the_config(change, message, tmp_path):
    drop = change.pop("drop", False)
    write_checkpoint(tmp_path / "model", sharded=False, **change)
    if drop:
        from safetensors.torch import save_file

        tensors = load_file(tmp_path / "model" / "model.safetensors")
        tensors = {n: t for n, t in tensors.items() if n != "lm_head.weight"}
        save_file(tensors, tmp_path / "model" / "model.safetensors")
    with pytest.raises(InputError, match=message):
        find_heads(tmp_path / "model")


def test_bad_requests(tmp_path):
    write_checkpoint(tmp_path / "model")
    with pytest.raises(InputError, match=r"The list belongs to V = 400, but .* vocab_size = 384"):
        copy_with_draft_head(tmp_path / "model", DraftVocabulary.of([1, 2], 400), tmp_path / "copy")
    copy_with_draft_head(tmp_path / "model", vocabulary(ROWS), tmp_path / "copy")
    with pytest.raises(InputError, match=r"has a smaller head already \(\d+ rows\)"):
        copy_with_draft_head(tmp_path / "copy", vocabulary(ROWS), tmp_path / "again")
    torch.save(torch.arange(3), tmp_path / "copy" / IDS)
    with pytest.raises(InputError, match=r"has 3 ids, but mtp.draft_lm_head has \d+ rows"):
        read_draft_head(tmp_path / "copy")
    (tmp_path / "model" / "model-1-of-2.safetensors").unlink()
    with pytest.raises(InputError, match=r"names model-1-of-2.safetensors, but that file is miss"):
        find_heads(tmp_path / "model")


def test_kinds_of_drafts(tmp_path):
    nextn = {
        f"model.layers.2.{name}": torch.zeros(H, 2 * H)
        for name in ("eh_proj.weight", "enorm.weight", "mlp.experts.0.up.weight")
    }
    nextn |= {"model.layers.2.embed_tokens.weight": torch.zeros(V, H)}
    nextn |= {"model.layers.2.shared_head.head.weight": torch.zeros(V, H)}
    write_checkpoint(tmp_path / "nextn", draft=nextn)
    (draft,) = find_heads(tmp_path / "nextn").drafts
    assert (draft.kind, draft.name, draft.own) == ("nextn", "model.layers.2", True)
    assert draft.layer_bytes == 3 * H * 2 * H * 4  # neither the head nor the embedding
    with pytest.raises(InputError, match=r"model.layers.2 is no MTP layer .* token map of SGLang"):
        copy_with_draft_head(tmp_path / "nextn", vocabulary(ROWS), tmp_path / "copy")
    write_checkpoint(tmp_path / "none", draft={"x": torch.zeros(1)})
    with pytest.raises(InputError, match=r"has no draft among its tensors"):
        find_heads(tmp_path / "none").draft()


def test_bytes_and_shares(tmp_path):
    """Of experts a token reads the active ones; the counts by hand."""
    draft = mtp_layer() | {
        f"mtp.layers.0.mlp.experts.{i}.up_proj.weight": torch.zeros(32, H, dtype=torch.bfloat16)
        for i in range(8)
    }
    config = {"model_type": "qwen3_5_moe_text", "num_experts": 8, "num_experts_per_tok": 2}
    write_checkpoint(tmp_path / "model", draft=draft, moe_intermediate_size=32, **config)
    (found,) = find_heads(tmp_path / "model").drafts
    dense = 2 * (2 * H * H + H + H * H + 128 * H)
    assert found.layer_bytes == dense + 8 * 2 * 32 * H
    assert found.step_bytes == dense + 2 * 2 * 32 * H
    assert found.head.bytes == 2 * V * H
    assert found.share(100) == pytest.approx(2 * 100 * H / (2 * 100 * H + found.step_bytes))


def test_of_several_mtp_layers_a_token_passes_one(tmp_path):
    draft = mtp_layer()
    draft |= {
        name.replace("layers.0", "layers.1"): tensor.clone()
        for name, tensor in mtp_layer().items()
        if "layers.0" in name
    }
    write_checkpoint(tmp_path / "two", draft=draft)
    write_checkpoint(tmp_path / "one")
    (two,), (one,) = (find_heads(tmp_path / name).drafts for name in ("two", "one"))
    assert two.step_bytes == one.step_bytes == one.layer_bytes
    assert two.layer_bytes > one.layer_bytes


def test_a_checkpoint_of_200_gb_is_read_by_its_headers(tmp_path):
    """A sparse file: reading its weights would take minutes and more memory than there is."""
    import resource

    rows, width = 248_320, 5_120
    experts = 200 * 10**9 // (2 * width * 4096)
    header, offset = {}, 0
    shapes = {f"model.layers.{i}.up.weight": [4096, width] for i in range(experts)}
    shapes |= {"lm_head.weight": [rows, width], "mtp.fc.weight": [width, 2 * width]}
    for name, shape in shapes.items():
        size = 2 * shape[0] * shape[1]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    config = {"model_type": "qwen3_5_text", "hidden_size": width, "vocab_size": rows}
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = find_heads(tmp_path)
    assert found.target is not None
    assert found.target.bytes == 2 * rows * width
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes
    assert offset > 200 * 10**9


def test_the_head_of_another_name_is_found(tmp_path):
    """Models with pictures have their head beside a language_model."""
    write_checkpoint(tmp_path / "model", sharded=False)
    tensors = load_file(tmp_path / "model" / "model.safetensors")
    from safetensors.torch import save_file

    head = tensors.pop("lm_head.weight")
    save_file(
        tensors | {"language_model.lm_head.weight": head},
        tmp_path / "model" / "model.safetensors",
    )
    found = find_heads(tmp_path / "model")
    assert found.target is not None
    assert found.target.name == "language_model.lm_head"
    assert plain("x")["x.weight"].shape == (V, H)
