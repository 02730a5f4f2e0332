"""`context`: missing tokens that stand in the context, as a command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import ROOT

from vocabtrim_core.counts_store import find_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.forecast.acceptance_model import expected_tokens, position_rates

DATA = ROOT / "tests" / "data" / "tools.jsonl"
READ = ["--tokenizer", "llama-3.1", "--template", "llama3"]
FIRST = [*READ, "--data", DATA, "--limit", 40]


@pytest.fixture(scope="module")
def counts_file(tmp_path_factory):
    from vocabtrim_core.cli import main

    path = tmp_path_factory.mktemp("counts") / "tools.npz"
    argv = ["count", *FIRST, "--max-refused", 1, "--out", path]
    assert main([str(word) for word in argv]) == 0
    return path


def test_the_size_an_export_and_a_choice_say_the_same(ok, cli, tmp_path, counts_file):
    out, choice = tmp_path / "ids", tmp_path / "choice.json"
    assert cli("export", counts_file, "--k", 60, "--format", "ids", "--out", out)[0] == 0
    assert cli("choice", "save", counts_file, "--k", 60, "--out", choice)[0] == 0
    kept = ["--counts", counts_file, "--k", 60]
    found = ok("context", *FIRST, *kept, text="of the missing")
    counts = find_counts(str(counts_file))
    order = np.argsort(-counts.counts, kind="stable")
    missing = int(counts.counts[order[60:]].sum())
    assert (found["missing"], found["tokens"]) == (missing, counts.tokens)
    assert found["coverage"] == pytest.approx(CoverageCurve.of(counts).coverage[59])
    assert found["complete"]
    assert found["in_sample"]
    assert found["lengths"] is None
    for argv in (["--vocabulary", out], ["--vocabulary", choice, "--counts", counts_file]):
        other = ok("context", *FIRST, *argv)
        assert (other["missing"], other["windows"]) == (missing, found["windows"])
    rows = found["windows"]
    assert [row["window"] for row in rows[:-1]] == [256, 1024, 4096]
    for row in rows:
        left = (1 - row["share"]) * missing
        assert row["coverage"] == pytest.approx(1 - left / counts.tokens)
    curve = {point["window"]: point for point in found["curve"]}
    assert [curve[row["window"]] for row in rows[:-1]] == rows[:-1]


def test_text_that_did_not_choose_the_tokens_is_not_in_sample(ok, counts_file):
    data = [*READ, "--data", DATA.with_name("plain.jsonl"), "--limit", 5]
    argv = ["context", *data, "--counts", counts_file, "--k", 60]
    found = ok(*argv, text="most that a list")
    assert not found["in_sample"]
    assert found["missing"] > 0


def test_some_are_drawn_at_random_and_that_is_said(ok, cli, counts_file):
    argv = ["context", *FIRST, "--counts", counts_file, "--k", 60, "--conversations", 10]
    found = ok(*argv, text="drawn at random from 40")
    assert not found["complete"]
    assert found["available"] == 40
    assert ok(*argv, "--seed", 1)["missing"] != found["missing"]


def test_with_an_acceptance_length_it_says_what_that_could_win(ok, counts_file):
    """A list that covers all accepts like the full draft; no window exceeds it."""
    argv = ["context", *FIRST, "--counts", counts_file, "--k", 60]
    found = ok(*argv, "--accept-length", 2.5, "--depth", 3, text="at most")["lengths"]
    middles = [found["list"]["middle"], *(row["middle"] for row in found["windows"])]
    assert middles == sorted(middles)
    assert middles[-1] <= 2.5
    assert expected_tokens(position_rates(2.5, 3)) == pytest.approx(2.5)
    for row in found["windows"]:
        assert row["gain"] == pytest.approx(row["middle"] / middles[0] - 1)
        assert row["low"] <= row["middle"] <= row["high"]


def test_a_list_that_lacks_nothing_has_no_share(ok, counts_file):
    found = ok("context", *FIRST, "--counts", counts_file, "--k", 128256, text="cover 100.00%")
    assert found["missing"] == 0
    assert [row["share"] for row in found["windows"]] == [None] * 4


KEPT = ["--counts", "COUNTS", "--k", 100]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([*FIRST], "either as --vocabulary MAPPING or as --counts COUNTS with --k"),
        ([*FIRST, "--k", 5], "either as --vocabulary MAPPING or as --counts COUNTS with --k"),
        ([*FIRST, "--counts", "COUNTS"], "either as --vocabulary"),
        ([*FIRST, *KEPT, "--vocabulary", "x.json"], "either as --vocabulary"),
        ([*FIRST, "--counts", "COUNTS", "--k", 0], "k"),
        ([*FIRST, "--counts", "COUNTS", "--k", 200000], "128,256"),
        ([*FIRST, "--vocabulary", "nowhere.json"], "nowhere.json"),
        ([*FIRST, *KEPT, "--conversations", 0], "At least 1 conversation must be drawn, not 0"),
        ([*READ, *KEPT], "--data PATH or as --dataset NAME"),
        ([*READ, *KEPT, "--data", "nowhere.jsonl"], "nowhere.jsonl"),
        ([*FIRST, *KEPT, "--rule", "nope"], "no counting rule nope"),
        ([*FIRST, *KEPT, "--accept-length", 9], "within 1..4"),
        ([*FIRST, *KEPT, "--accept-length", 1, "--depth", 0], "depth"),
        (["--tokenizer", "tekken", "--data", DATA, *KEPT], "tekken"),
    ],
)
def test_bad_input_is_one_sentence(refused, counts_file, argv, said):
    assert said in refused("context", *(counts_file if word == "COUNTS" else word for word in argv))


def test_ids_of_another_tokenizer_are_refused(refused, cli, tmp_path, counts_file):
    out, choice = tmp_path / "ids", tmp_path / "choice.json"
    assert cli("export", counts_file, "--k", 60, "--format", "ids", "--out", out)[0] == 0
    assert cli("choice", "save", counts_file, "--k", 60, "--out", choice)[0] == 0
    ids = next(out.rglob("ids.json"))
    content = json.loads(ids.read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content | {"tokenizer": "mine", "tokenizer_sha256": "0" * 64}))
    sentence = refused("context", *FIRST, "--vocabulary", other)
    assert "holds ids of the tokenizer mine" in sentence
    size = ["--tokenizer", "tekken", "--vocab-size", "131072", "--data", DATA]
    sentence = refused("context", *size, "--vocabulary", choice, "--counts", counts_file)
    assert "tekken" in sentence
