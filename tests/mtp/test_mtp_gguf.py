"""GGUF files with a smaller head: blocks as they are, keys as their reader wants them."""

from __future__ import annotations

import csv
import json

import pytest
from helpers.mtp_gguf import H, V, write

from vocabtrim_core.cli import main
from vocabtrim_core.drafts.mtp.gguf_copy import gguf_sidecar, gguf_with_draft_head
from vocabtrim_core.drafts.mtp.gguf_heads import find_gguf_heads, read_ids
from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.imported import import_mapping
from vocabtrim_core.vocabulary import DraftVocabulary

gguf = pytest.importorskip("gguf", reason="needs the package gguf")
IDS = DraftVocabulary.of([0, 3, 4, 50, 95], V)
TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q6_K")


def tensors(path):
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("tied", [False, True])
def test_rows_are_copied_as_they_are(kind, tied, tmp_path):
    source = write(tmp_path / "model.gguf", kind, tied=tied)
    record = gguf_with_draft_head(source, IDS, tmp_path / "new.gguf")
    before, after = tensors(source), tensors(tmp_path / "new.gguf")
    head = before["token_embd.weight" if tied else "output.weight"]
    rows = after.pop("blk.1.nextn.draft_head.weight")
    assert rows.tensor_type == head.tensor_type
    assert tuple(rows.shape) == (H, len(IDS))
    assert rows.data.tobytes() == b"".join(head.data[i].tobytes() for i in IDS.ids)
    assert after.keys() == before.keys()
    assert all(after[n].data.tobytes() == t.data.tobytes() for n, t in before.items())
    fields = gguf.GGUFReader(tmp_path / "new.gguf").fields
    assert fields["qwen35.nextn_draft_vocab_ids"].contents() == IDS.ids.tolist()
    assert fields["qwen35.nextn_draft_vocab_ids"].types[-1] == gguf.GGUFValueType.INT32
    assert fields["general.name"].contents() == "small"
    assert record.draft_head_bytes * V == record.head_bytes * len(IDS)
    with (tmp_path / "new.vocab.csv").open(newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["reduced_id", "token_id", "text"]
    assert table[2] == ["1", "3", "t3,"]
    for path in ("new.gguf", "new.vocab.csv"):
        assert import_mapping(tmp_path / path, V).vocabulary == IDS


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", ["F16", "Q4_K"])
def test_a_sidecar_has_d2t_of_absolute_ids(kind, own, tmp_path):
    source = write(tmp_path / "draft.gguf", kind, own=own)
    gguf_sidecar(source, IDS, tmp_path / "side.gguf")
    before, after = tensors(source), tensors(tmp_path / "side.gguf")
    assert after["d2t"].tensor_type == gguf.GGMLQuantizationType.I64
    assert after["d2t"].data.tolist() == IDS.ids.tolist()
    for name in ["output.weight"] + (["blk.1.nextn.shared_head_head.weight"] if own else []):
        assert after[name].data.tobytes() == before[name].data[IDS.ids].tobytes()
    assert tuple(after["token_embd.weight"].shape) == (H, V)
    assert read_ids(tmp_path / "side.gguf")[0].tolist() == IDS.ids.tolist()
    assert import_mapping(tmp_path / "side.gguf").vocabulary == IDS


def test_a_tied_sidecar_keeps_its_embedding(tmp_path):
    source = write(tmp_path / "draft.gguf", tied=True)
    gguf_sidecar(source, IDS, tmp_path / "side.gguf")
    after = tensors(tmp_path / "side.gguf")
    assert tuple(after["output.weight"].shape) == (H, len(IDS))
    assert tuple(after["token_embd.weight"].shape) == (H, V)


def test_bytes_of_a_step(tmp_path):
    found = find_gguf_heads(write(tmp_path / "model.gguf", "F16"))
    (draft,) = found.drafts
    assert found.vocab_size == V
    assert draft.layer_bytes == 4 * (H * 2 * H + 8 * 16 * H)
    assert draft.step_bytes == 4 * (H * 2 * H + 2 * 16 * H)
    assert draft.head.bytes == 2 * V * H
    assert draft.head.bytes_of(10) == 2 * 10 * H


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nextn": 0}, r"has no MTP layer \(qwen35.nextn_predict_layers is 0 or missing\)"),
        ({"own": True}, r"the MTP layer has a head of its own"),
        ({"head_rows": 100}, r"list belongs to V = 96, but output.weight of .* has 100 rows"),
    ],
)
def test_files_that_cannot_be_trimmed(options, message, tmp_path):
    source = write(tmp_path / "model.gguf", **options)
    with pytest.raises(InputError, match=message):
        gguf_with_draft_head(source, IDS, tmp_path / "new.gguf")
    assert not (tmp_path / "new.gguf").exists()


def test_what_was_made_is_not_made_again(tmp_path):
    source = write(tmp_path / "model.gguf")
    gguf_with_draft_head(source, IDS, tmp_path / "new.gguf")
    with pytest.raises(InputError, match=r"has a smaller head already"):
        gguf_with_draft_head(tmp_path / "new.gguf", IDS, tmp_path / "newer.gguf")
    with pytest.raises(InputError, match=r"exists, and nothing is overwritten"):
        gguf_with_draft_head(source, IDS, tmp_path / "new.gguf")
    with pytest.raises(InputError, match=r"its head is whole"):
        read_ids(source)
    (tmp_path / "broken.gguf").write_bytes(source.read_bytes()[:60])
    with pytest.raises(InputError, match=r"is not a GGUF file that can be read"):
        read_ids(tmp_path / "broken.gguf")


def test_the_command(tmp_path, capsys):
    source = write(tmp_path / "model.gguf")
    (tmp_path / "ids.txt").write_text("".join(f"{i}\n" for i in IDS.ids))
    out = tmp_path / "new.gguf"
    line = ["trim-mtp", source, "--vocabulary", tmp_path / "ids.txt", "--out", out]
    assert main([*map(str, line), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["k"], result["vocab_size"]) == (len(IDS), V)
    assert import_mapping(out).vocabulary == IDS
    assert main(["heads", str(out), "--k", "10", "--tensors"]) == 0
    text = capsys.readouterr().out
    assert "a smaller head of 5 rows stands beside it already" in text
    assert "blk.1.nextn.draft_head.weight" in text
