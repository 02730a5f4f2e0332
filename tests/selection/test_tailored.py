"""Protected sets, lists, script budgets, and vocabularies that meet a demand at a price."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from helpers.real_data import real_tokenizer
from helpers.tokenizer_makers import byte_level, sentence_piece, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.constrained import Problem, solve
from vocabtrim_core.selection.protect import (
    SETS,
    ProtectedGroup,
    listed_ids,
    protected_ids,
    script_ids,
)
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.kinds import TokenKinds, token_kinds
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

SIZE = 8
DRAFT = DraftArchitecture("tiny", 2, 2, 1, 1, 2, SIZE)
COUNTS = st.lists(st.integers(0, 30), min_size=SIZE, max_size=SIZE).filter(any)
SPECIALS = ["<|im_start|>", "<|im_end|>", "<tool_call>", "<think>", "<|unused|>"]


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("t"), byte_level(SPECIALS))
    tokenizer = load_tokenizer(folder)
    return tokenizer, resolve_template(tokenizer, "qwen")


def wish(ids) -> ProtectedGroup:
    return ProtectedGroup("wish", np.array(sorted(ids), np.int64))


# --- protected sets ------------------------------------------------------------------------------


def test_sets_of_a_byte_level_tokenizer(kit):
    tokenizer, template = kit

    def texts(name):
        return set(tokenizer.tokens(protected_ids(name, tokenizer, template)))

    assert texts("end-of-turn") == {"<|im_end|>"}
    assert texts("specials") == {"<|im_start|>", "<|im_end|>", "<tool_call>"}
    assert texts("digits") == set("0123456789")
    assert texts("tool-calls") == {"<tool_call>"}
    assert texts("thoughts") == {"<think>"}
    assert len(protected_ids("bytes", tokenizer, template)) == 256
    assert {"\n", " "} <= texts("whitespace")
    # Every text can be spelled with the bytes alone.
    whole = tokenizer.backend.token_to_id
    assert {whole(letter) for letter in "Ġ!é"} <= set(
        protected_ids("bytes", tokenizer, None).tolist()
    )


def test_sets_of_a_sentence_piece_tokenizer(tmp_path):
    tokenizer = load_tokenizer(write_folder(tmp_path / "t", sentence_piece(["</s>"])))
    single = set(tokenizer.tokens(protected_ids("bytes", tokenizer, None)))
    assert {f"<0x{byte:02X}>" for byte in range(256)} <= single


def test_every_set_is_within_the_vocabulary_and_described(kit):
    tokenizer, template = kit
    short = replace(tokenizer, vocab_size=tokenizer.vocab_size - 3)
    for name, entry in SETS.items():
        ids = protected_ids(name, short, template)
        assert (np.diff(ids) > 0).all()
        assert not len(ids) or ids[-1] < short.vocab_size
        assert entry.name == name
        assert entry.title
        assert entry.why.endswith(".")
    with pytest.raises(InputError, match="no protected set 'letters'; choose among end-of-turn"):
        protected_ids("letters", tokenizer, template)


def test_script_budget_takes_the_frequent_then_the_low_ids():
    kinds = TokenKinds(("word", "han", "kana"), np.array([0, 1, 1, 2, 1, 0, 2, 1], np.uint8))
    frequencies = np.array([9, 0, 2, 7, 5, 1, 0, 0])
    assert script_ids(frequencies, kinds, "han", 3).tolist() == [1, 2, 4]
    assert script_ids(frequencies, kinds, "cjk", 2).tolist() == [3, 4]
    assert len(script_ids(frequencies, kinds, "cjk", 99)) == 6
    with pytest.raises(InputError, match="script 'thai'; it has chinese, cjk, han"):
        script_ids(frequencies, kinds, "thai", 1)
    with pytest.raises(InputError, match="1 token or more"):
        script_ids(frequencies, kinds, "han", 0)


def test_lists_of_ids_and_texts(tmp_path, kit):
    tokenizer, _ = kit
    size = tokenizer.vocab_size
    text = tmp_path / "list.txt"
    text.write_text("5\nassistant\n", "utf-8")
    expected = {5, *tokenizer.ids("assistant"), *tokenizer.ids(" assistant")}
    assert set(listed_ids(text, tokenizer, size).tolist()) == expected
    array = tmp_path / "list.json"
    array.write_text(json.dumps(["7", 9]))
    assert set(listed_ids(array, tokenizer, size).tolist()) >= {9, tokenizer.ids("7")[0]}
    array.write_text(json.dumps({"vocab_size": size, "ids": [3, 1]}))
    assert listed_ids(array, None, size).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "not a readable list"),
        ("a.json", '{"x": 1}', "must hold an array"),
        ("a.json", "[1, 99]", r"entry 2: 99 is neither a text nor an id within 0\.\.7"),
        ("a.json", "[true]", "entry 1: True"),
        ("a.json", '["word"]', "needs the tokenizer"),
        ("a.txt", "", "names no tokens"),
        ("a.txt", "3\n-1\n", "needs the tokenizer"),
    ],
)
def test_bad_lists_are_named_with_file_and_entry(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as refused:
        listed_ids(path, None, SIZE)
    assert str(path) in str(refused.value)


# --- demands -------------------------------------------------------------------------------------


@given(
    st.lists(COUNTS, min_size=1, max_size=3),
    st.sets(st.integers(0, 3), max_size=2),
    st.sets(st.integers(4, 7), max_size=2),
    st.floats(0, 1),
    st.floats(0, 0.9),
)
@settings(max_examples=80, deadline=None)
def test_a_demand_is_met_with_the_best_utility(make_counts_of, rows, kept, dropped, alpha, floor):
    sets = [make_counts_of(row) for row in rows]
    weights = [1.0] * len(sets)
    excluded = np.array(sorted(dropped), np.int64)
    demand = Problem(
        sets,
        weights,
        DRAFT,
        alpha,
        floor_everywhere=floor or None,
        protected=(wish(kept),) if kept else (),
        excluded=excluded,
    )
    shares = np.stack([c.counts / c.tokens for c in sets])
    mean, allowed = shares.mean(axis=0), sorted(set(range(SIZE)) - dropped)

    def utility(ids) -> float:
        return alpha * mean[list(ids)].sum() + (1 - alpha) * DRAFT.latency_reduction(len(ids))

    fits = [
        c
        for n in range(1, SIZE + 1)
        for c in combinations(allowed, n)
        if kept <= set(c) and (shares[:, list(c)].sum(axis=1) >= floor - 1e-9).all()
    ]
    if not fits:
        with pytest.raises(InputError, match="out of reach without the excluded"):
            solve(demand)
        return
    found = solve(demand)
    ids = set(found.vocabulary.ids.tolist())
    assert kept <= ids
    assert not dropped & ids
    assert all(row.coverage >= floor - 1e-9 for row in found.coverages)
    best = max(map(utility, fits))
    assert found.choice.utility == pytest.approx(utility(ids))
    assert found.choice.utility <= best + 1e-9
    if not floor:
        assert found.choice.utility == pytest.approx(best)


def test_prices_by_hand(make_counts):
    # Each token costs 1/32 of the utility's other half; the mix is the first corpus alone.
    counts = make_counts([40, 20, 20, 10, 5, 5, 0, 0])
    demand = Problem(
        [counts, make_counts([1] * SIZE)],
        [1, 0],
        DRAFT,
        0.5,
        k=3,
        protected=(wish({7}), ProtectedGroup("free", np.array([0]))),
        excluded=np.array([2]),
        multiple=2,
    )
    found = solve(demand)
    assert found.vocabulary.ids.tolist() == [0, 1, 3, 7]
    assert found.choice.coverage == pytest.approx(0.7)
    prices = {price.name: price for price in found.costs}
    # Without 7 the fourth place goes to 4 (5 %); the size stays 4.
    assert (prices["wish"].tokens, prices["wish"].moved, prices["wish"].k) == (1, 1, 0)
    assert prices["wish"].utility == pytest.approx(-0.5 * 0.05)
    assert (prices["free"].moved, prices["free"].utility) == (0, 0)
    assert prices["excluded"].moved == 1
    assert prices["excluded"].utility == pytest.approx(-0.5 * 0.1)
    assert prices["multiple of 2"].k == 1
    assert found.plain.k == 3


def test_a_wish_costs_its_rows_at_the_optimum(make_counts):
    counts = make_counts([1000, 500, 1, 1, 1, 1, 1, 1])
    demand = Problem([counts], [1], DRAFT, 0.5, protected=(wish({5, 6, 7}),))
    plain, found = solve(replace(demand, protected=())), solve(demand)
    assert found.choice.k == plain.choice.k + 3
    assert found.costs[0].k == 3
    assert found.costs[0].utility == pytest.approx(found.choice.utility - plain.choice.utility)
    assert found.costs[0].utility < 0


def test_a_floor_everywhere_at_a_given_size(make_counts):
    sets = [make_counts([60, 30, 0, 0, 5, 5, 0, 0]), make_counts([0, 0, 60, 30, 5, 5, 0, 0])]
    demand = Problem(sets, [1, 0], DRAFT, 0.5, k=4)
    assert coverage_on(solve(demand).vocabulary, sets[1]).coverage < 0.2
    found = solve(replace(demand, floor_everywhere=0.9))
    assert found.vocabulary.ids.tolist() == [0, 1, 2, 3]
    assert found.covering.smallest_k == found.covering.least_k == 4
    assert found.costs[-1].name == "0.9 on every corpus"
    assert found.costs[-1].utility < 0
    with pytest.raises(InputError, match=r"0\.9500 on every corpus is out of reach within k = 4"):
        solve(replace(demand, floor_everywhere=0.95))


def test_protected_tokens_must_fit(make_counts):
    demand = Problem([make_counts([1] * SIZE)], [1], DRAFT, protected=(wish({1, 2, 3}),), k_max=2)
    with pytest.raises(InputError, match="3 tokens are protected"):
        solve(demand)


def test_real_sets_on_a_real_corpus(make_counts):
    tokenizer = real_tokenizer("llama-3.1")
    template = resolve_template(tokenizer, "llama3")
    names = {name: protected_ids(name, tokenizer, template) for name in SETS}
    assert tokenizer.tokens(names["end-of-turn"]) == ["<|eot_id|>"]
    assert set(tokenizer.tokens(names["tool-calls"])) == {"<|eom_id|>", "<|python_tag|>"}
    assert len(names["bytes"]) == 256
    assert len(script_ids(np.zeros(128_256), token_kinds(tokenizer), "cjk", 2000)) == 2000
