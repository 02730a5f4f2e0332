"""heads, trim-mtp, extend, balance, ranges and compare, as their user would see them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.mtp_checkpoints import H, V, write_checkpoint


@pytest.fixture
def model(tmp_path):
    write_checkpoint(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def ids(tmp_path):
    (tmp_path / "ids.txt").write_text("".join(f"{i}\n" for i in range(64)))
    return tmp_path / "ids.txt"


@pytest.fixture
def counts(tmp_path, make_counts):
    values = np.zeros(V, int)
    values[:40], values[200:240] = np.arange(140, 100, -1), np.arange(90, 50, -1)
    return make_counts(values).save(tmp_path / "counts.npz")


def test_heads_says_what_a_smaller_head_saves(ok, model):
    result = ok("heads", model, "--k", 64, "--tensors", text="of a step")
    (draft,) = result["drafts"]
    assert (draft["kind"], draft["head"], draft["layout"]) == ("mtp", "lm_head", "bf16")
    assert draft["head_bytes"] == 2 * V * H
    assert draft["head_bytes_at_k"] == draft["memory_change"] == 2 * 64 * H
    assert draft["saved_per_step"] == 2 * (V - 64) * H
    step = draft["layer_bytes_per_step"]
    assert draft["share_of_step_at_k"] == pytest.approx(2 * 64 * H / (2 * 64 * H + step))
    assert {"name", "type", "shape", "bytes"} == result["tensors"][0].keys()
    assert sum(t["bytes"] for t in result["tensors"]) == sum(t["bytes"] for t in result["types"])


def test_from_a_checkpoint_to_a_copy_and_back(ok, refused, model, ids, tmp_path):
    out = tmp_path / "copy"
    result = ok("trim-mtp", model, "--vocabulary", ids, "--out", out)
    assert result["k"] == 64
    assert "MTP_DRAFT_VOCAB=0" in " ".join(result["notes"])
    assert ok("heads", out)["drafts"][0]["smaller_head_rows"] == 64
    again = ok("ranges", out, text="ranges")
    assert (again["k"], again["ranges"]) == (64, 1)
    assert "smaller head already" in refused(
        "trim-mtp", out, "--vocabulary", ids, "--out", tmp_path / "x"
    )
    assert "--sidecar is for GGUF" in refused(
        "trim-mtp", model, "--vocabulary", ids, "--out", tmp_path / "x", "--sidecar"
    )


def test_extend_balance_ranges(ok, refused, model, ids, counts, tmp_path):
    longer = tmp_path / "longer.json"
    line = ("extend", ids, "--counts", counts, "--add", 30, "--model", model, "--out", longer)
    result = ok(*line, text="grows to 94")
    assert (result["k"], result["bytes_added"]) == (94, 30 * 2 * H)
    change = result["coverage"][0]
    assert change["before"] < change["after"] < 1
    assert ok("extend", ids, "--counts", counts, "--k", 300, text="only 80 ids occur")["k"] == 104
    even = tmp_path / "even.json"
    line = ("balance", longer, "--counts", counts, "--ranks", 2, "--model", model, "--out", even)
    result = ok(*line, text="The fullest rank")
    assert max(result["rows_after"]) < max(result["rows_before"]) == 64
    assert result["coverage_lost"] <= 0
    assert len(json.loads(even.read_text())["ids"]) == 94
    assert result["coverage"][0]["after"] >= result["coverage"][0]["before"]
    out = tmp_path / "ranges.json"
    result = ok("ranges", even, "--most", 2, "--model", model, "--out", out, text="extra ids")
    assert result["ranges"] == 2
    assert result["extra_bytes"] == result["extra_ids"] * 2 * H
    assert sum(b - a for a, b in json.loads(out.read_text())) == result["k"]
    blocks = ok("ranges", even, "--multiple", 128)
    assert blocks["k"] % 128 == 0
    assert "which is above" in refused("extend", ids, "--counts", counts, "--k", 10)


def test_compare_says_where_the_rows_go(ok, ids, counts):
    result = ok("compare", ids, "--counts", counts, "--ranks", 2, text="occur in none")
    rows = result["mappings"][0]["rows"]
    assert (rows["filler"], rows["occurring"], rows["ranks"]) == (24, 80, [64, 0])
    assert any("24 of its 64 rows (37.5%)" in text for text in result["mappings"][0]["remarks"])
