"""The counts that come with the program: their files, and the corpora counted again."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from helpers.real_data import real_tokenizer

from vocabtrim_core.counting.shard_counts import load_domain_shards, load_shards
from vocabtrim_core.counts_store import find_counts, list_counts, remove_counts, save_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.ceiling import ceiling, held_out_ceiling
from vocabtrim_core.forecast.inputs import HELD_OUT, served_text
from vocabtrim_core.forecast.shipped_ceiling import shipped_ceiling
from vocabtrim_core.generalization.held_out import by_count, held_out_curve
from vocabtrim_core.generalization.k_interval import k_interval
from vocabtrim_core.generalization.pieces import Pieces, domains_on, held_out_pieces, interval_on
from vocabtrim_core.shipped.archive import (
    pack_lengths,
    pack_matrix,
    unpack,
    unpack_entries,
    unpack_lengths,
)
from vocabtrim_core.shipped.sets import (
    FOLDER,
    ceiling_points,
    find_shipped,
    manifest,
    shipped_sets,
    sources_of,
)
from vocabtrim_core.tradeoff import TradeOff

MOST_BYTES = 6_000_000
# (name, tokenizer) -> conversations, tokens, distinct tokens, sha256 of the counts as int64
TOTALS = {
    ("Public blend", "llama-3.1"): (76_590, 16_299_242, 68_379),
    ("MT-Bench", "llama-3.1"): (80, 28_096, 5_181),
    ("GSM8K", "llama-3.1"): (1_317, 271_440, 5_885),
    ("HumanEval", "llama-3.1"): (164, 35_856, 2_400),
    ("MATH-500", "llama-3.1"): (500, 105_339, 3_359),
    ("AIME", "llama-3.1"): (30, 46_440, 2_695),
    ("Function calling train", "llama-3.1"): (4_000, 212_527, 13_718),
    ("Function calling test", "llama-3.1"): (1_000, 48_057, 5_902),
    ("NER train", "llama-3.1"): (10_209, 224_036, 15_080),
    ("NER test", "llama-3.1"): (5_146, 143_931, 12_672),
    ("GSM8K reference", "llama-3.1"): (1_319, 136_965, None),
    ("HumanEval reference", "llama-3.1"): (164, 31_037, None),
    ("Public blend", "qwen3.5"): (76_590, 17_419_178, None),
    ("Function calling train", "qwen3.5"): (4_000, 221_861, None),
    ("Public blend", "smollm2"): (76_590, 18_127_653, 44_131),
    ("Function calling train", "smollm2"): (4_000, 239_219, 11_487),
}
ROWS = list(shipped_sets().values())
IDS = [row.file for row in ROWS]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def blend():
    return find_shipped("Public blend", "llama-3.1")


# --- the files ----------------------------------------------------------------------------------


def test_the_files_are_those_of_the_manifest_and_small():
    said = {name: about for row in manifest()["sets"] for name, about in row["files"].items()}
    said["ceilings.zst"] = manifest()["ceilings"]
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert set(files) == {*said, "manifest.json"}
    assert sum(map(len, files.values())) < MOST_BYTES
    for name, about in said.items():
        assert len(files[name]) == about["bytes"], name
        assert hashlib.sha256(files[name]).hexdigest() == about["sha256"], name


def test_the_totals():
    found = {
        (row.title, row.provenance["tokenizer"]): (row.counts().conversations, row.counts().tokens)
        for row in ROWS
    }
    assert found == {name: totals[:2] for name, totals in TOTALS.items()}
    for name, (_, _, distinct) in TOTALS.items():
        if distinct:
            assert find_shipped(*name).counts().distinct == distinct, name


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_set_adds_up(row):
    counts, pieces, domains = row.counts(), load_shards(row.key), load_domain_shards(row.key)
    assert counts.key == row.key
    assert (pieces.total(row.vocab_size) == counts.counts).all()
    assert pieces.conversations.sum() == counts.conversations
    assert pieces.conversations.min() >= 2
    assert set(domains) == set(row.domains)
    assert (sum(d.total(row.vocab_size) for d in domains.values()) == counts.counts).all()
    for one in (pieces, *domains.values()):
        for start, stop in zip(one.bounds[:-1], one.bounds[1:], strict=True):
            assert (np.diff(one.ids[start:stop].astype(np.int64)) > 0).all()


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_set_has_sources_with_licences_and_no_text(row):
    parts = sources_of(row.key)
    assert sum(part["count"] for part in parts) >= row.conversations
    assert all(part["licence"] and part["repo"] and part["commit"] for part in parts)
    about = row.provenance
    assert about["rule"] == "assistant"
    assert about["seconds"] == 0
    assert set(unpack(FOLDER / f"{row.file}.counts")) == {"ids", "counts"}
    assert set(unpack(FOLDER / f"{row.file}.pieces")) == {"low", "at", "high", "conversations"}


def test_a_damaged_file_is_a_sentence(tmp_path):
    (tmp_path / "x.counts").write_bytes(b"no counts")
    with pytest.raises(InputError, match=r"x.counts does not hold shipped counts .*reinstall"):
        unpack(tmp_path / "x.counts")


def test_packing_loses_no_count_and_little_length():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, (50, 4, 2)) * rng.integers(0, 70_000, (50, 4, 2))
    order = rng.permutation(50)
    column, place, values = unpack_entries(pack_matrix(counts), order)
    again = np.zeros((8, 50), np.int64)
    again[column, place] = values
    assert (again == counts.reshape(50, 8)[order].T).all()
    assert len(values) == np.count_nonzero(counts)
    depths = np.arange(1, 17)[:, None]
    lengths = 1 + depths * np.sort(rng.random((16, 400)), axis=1)
    assert np.abs(unpack_lengths(pack_lengths(lengths)) - lengths).max() <= 16 / 131_070 + 1e-12


# --- in the workspace ---------------------------------------------------------------------------


def test_they_are_listed_last_marked_and_read_only(home, make_counts, blend):
    assert all(stored.shipped for stored in list_counts())
    own = make_counts([3, 1])
    save_counts(own)
    first, second, *_ = list_counts()
    assert (first.key, first.shipped) == (own.key, False)
    assert (second.key, second.shipped) == (blend.key, True)
    assert find_counts(blend.key[:8]).key == blend.key
    with pytest.raises(InputError, match="comes with the program and cannot be removed"):
        remove_counts(blend.key)


def test_the_same_count_made_here_is_ones_own(home, blend):
    save_counts(blend.counts())
    (stored,) = (s for s in list_counts() if s.key == blend.key)
    assert not stored.shipped
    remove_counts(blend.key)
    assert [s.shipped for s in list_counts() if s.key == blend.key] == [True]


# --- what is computed from groups of conversations ------------------------------------------------


def test_intervals_of_groups_hold_what_conversations_gave(blend):
    """Measured over conversations on the same text: see benchmarks/results/generalize.md."""
    counts, pieces = blend.counts(), load_shards(blend.key)
    k = 13_264
    outside = held_out_pieces(pieces, k, counts.vocab_size, 0)
    assert outside.low < outside.value < outside.high < CoverageCurve.of(counts).at(k)
    curve = held_out_curve(Pieces(pieces, counts.vocab_size))
    assert outside.value == pytest.approx(curve[k - 1])
    rows, held_out = domains_on(
        None, load_domain_shards(blend.key), np.zeros(counts.vocab_size, bool), k
    )
    assert held_out
    share = sum(row.coverage * row.tokens for row in rows) / sum(row.tokens for row in rows)
    assert share == pytest.approx(outside.value)
    by_name = {row.domain: row for row in rows}
    assert by_name["instruction_following"].coverage < 0.88 < 0.96 < by_name["code"].coverage
    assert all(row.interval.low < row.coverage < row.interval.high for row in rows)


def test_intervals_elsewhere(blend):
    is_kept = CoverageCurve.of(blend.counts()).vocabulary(13_264).t2d
    for name, least, most in (("MT-Bench", 0.90, 0.94), ("GSM8K", 0.96, 0.97)):
        row = find_shipped(name, "llama-3.1")
        interval = interval_on(None, load_shards(row.key), is_kept)
        counts = row.counts().counts
        assert interval.value == pytest.approx(counts[is_kept].sum() / counts.sum())
        assert least < interval.low < interval.value < interval.high < most


def test_k_with_its_interval(blend):
    counts = blend.counts()
    tradeoff = TradeOff(CoverageCurve.of(counts), PRESETS["llama-3.1-8b"])
    assert tradeoff.optimum.k == 11_160
    interval = k_interval(Pieces(load_shards(blend.key), counts.vocab_size), tradeoff)
    assert 10_700 < interval.low < interval.expected < interval.high < 11_400


def test_the_forecast_has_a_ceiling_for_shipped_orders_alone(blend):
    curve = CoverageCurve.of(blend.counts())
    pieces = Pieces(load_shards(blend.key), blend.vocab_size)
    own = served_text(curve, blend.counts(), sample=pieces)
    assert own.basis == HELD_OUT
    assert own.ceiling is not None
    assert "comes with the program" in own.notes[0]
    bench = find_shipped("MT-Bench", "llama-3.1").counts()
    assert served_text(curve, bench).ceiling is not None
    turned = CoverageCurve.of(blend.counts().counts[::-1].copy())
    unknown = served_text(turned, bench)
    assert unknown.ceiling is None
    assert "not at hand" in unknown.notes[0]
    lengths = own.ceiling.length(3)
    assert (np.diff(lengths) >= 0).all()
    assert lengths[-1] == pytest.approx(4)


# --- counted again from the corpora ---------------------------------------------------------------


def answers(path) -> list[list[dict]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["conversations"] for line in file]


@pytest.mark.parametrize("name", ["MT-Bench", "GSM8K", "HumanEval", "MATH-500", "AIME", "NER test"])
def test_another_way_to_count_them(shared, name):
    """The answers' text by the tokenizer alone, and one stop token for each."""
    row = find_shipped(name, "llama-3.1")
    texts = [
        turn["content"].strip()
        for turns in answers(shared / "data" / "corpora" / f"{row.corpus}.jsonl.gz")
        for turn in turns
        if turn["role"] == "assistant" and turn["content"].strip()
    ]
    backend = real_tokenizer("llama-3.1").backend
    found = Counter(
        i for encoded in backend.encode_batch(texts, add_special_tokens=False) for i in encoded.ids
    )
    found[128_009] += len(texts)
    counts = row.counts().counts
    assert {int(i): int(counts[i]) for i in np.flatnonzero(counts)} == dict(found)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_command_gives_the_same_arrays_again(shared, home, row):
    from benchmarks.shipped_counts import counted, pieces

    again = counted(shared / "data" / "corpora", row.provenance["tokenizer"], row.corpus)
    assert (again.counts.counts == row.counts().counts).all()
    assert again.counts.key == row.key
    ids = np.flatnonzero(again.counts.counts)
    by_group, conversations = pieces(again.responses, ids)
    entries = row.pieces()
    assert (entries.ids == ids).all()
    assert (entries.conversations == conversations).all()
    stored = np.zeros_like(by_group)
    stored[entries.token, entries.group, entries.domain] = entries.counts
    assert (stored == by_group).all()
    # The ceiling between the shipped sizes, against that of the responses.
    curve = CoverageCurve.of(again.counts)
    exact = held_out_ceiling(again.responses, by_count).length(3)
    between = shipped_ceiling(curve, again.counts, held_out=True).length(3)
    assert np.abs(between / exact - 1).max() < 1e-2
    assert ceiling_points(row.key, row.key).tokens == again.counts.tokens


def test_the_ceiling_under_the_order_of_another(shared, home, blend):
    from benchmarks.shipped_counts import counted

    served = counted(shared / "data" / "corpora", "llama-3.1", "mt_bench")
    curve = CoverageCurve.of(blend.counts())
    exact = ceiling(served.responses.batches(), curve.ranks())
    between = shipped_ceiling(curve, served.counts, held_out=False)
    for depth in (1, 3, 8, 16):
        assert np.abs(between.length(depth) / exact.length(depth) - 1).max() < 1e-2
