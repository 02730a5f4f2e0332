"""Missing tokens in the context: against a naive search, a hand-marked conversation and a count."""

from __future__ import annotations

import json
import re
from collections import Counter

import numpy as np
import pytest
from helpers import ROOT
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.count import count
from vocabtrim_core.counting.sample import (
    WholeConversations,
    encode_marked,
    sample_conversations,
)
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.errors import InputError
from vocabtrim_core.figures.context_reuse import context_reuse_figure, context_reuse_info
from vocabtrim_core.generalization.context_reuse import WINDOWS, ContextReuse, context_reuse
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.vocabulary import DraftVocabulary

CALL = {
    "type": "function",
    "function": {"name": "ferry", "arguments": {"to": "Varenna", "day": "Friday"}},
}
CHAT = [
    {"role": "user", "content": "Ferry to Varenna on Friday?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "12:05 from Bellagio, pier 3, 4.60 euros"},
    {"role": "assistant", "content": "It leaves Bellagio at 12:05 from pier 3."},
]
# What the template named llama3 writes for it; what the model generates stands in brackets.
RENDERED = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nFerry to Varenna on Friday?"
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    '⟦{"name": "ferry", "parameters": {"to": "Varenna", "day": "Friday"}}<|eot_id|>⟧'
    "<|start_header_id|>ipython<|end_header_id|>\n\n"
    '"12:05 from Bellagio, pier 3, 4.60 euros"<|eot_id|>'
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
    "⟦It leaves Bellagio at 12:05 from pier 3.<|eot_id|>⟧"
)


def naive(texts: list[list[tuple[int, bool]]], kept: set[int]) -> Counter[int]:
    """Distances of missing tokens, each found by walking back; 0 for nowhere."""
    found: Counter[int] = Counter()
    for text in texts:
        for place, (token, counted) in enumerate(text):
            if counted and token not in kept:
                back = (d for d in range(1, place + 1) if text[place - d][0] == token)
                found[next(back, 0)] += 1
    return found


def whole(texts: list[list[tuple[int, bool]]]) -> WholeConversations:
    flat = [pair for text in texts for pair in text]
    at = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return WholeConversations(
        np.array([token for token, _ in flat], np.uint32),
        at,
        np.array([counted for _, counted in flat], bool),
    )


def as_counter(reuse: ContextReuse) -> Counter[int]:
    return Counter({d: int(n) for d, n in enumerate(reuse.distances) if n})


TEXTS = st.lists(st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=30), max_size=6)


@given(TEXTS, st.sets(st.integers(0, 7)), st.integers(1, 3))
def test_distances_are_those_of_a_naive_search(texts, kept, together):
    if not any(counted for text in texts for _, counted in text):
        with pytest.raises(InputError, match="no token that counts"):
            context_reuse([whole(texts)], np.zeros(8, bool))
        return
    mask = np.isin(np.arange(8), list(kept))
    groups = [whole(texts[i : i + together]) for i in range(0, len(texts), together)]
    reuse = context_reuse(groups, mask)
    expected = naive(texts, kept)
    assert as_counter(reuse) == expected
    assert reuse.conversations == len(texts)
    tokens = sum(counted for text in texts for _, counted in text)
    for window in (0, 1, 2, 5, 10**6):
        near = sum(n for d, n in expected.items() if 0 < d <= window)
        share, coverage = reuse.shares([window])[0], reuse.coverages([window])[0]
        assert share == pytest.approx(near / max(sum(expected.values()), 1))
        assert coverage == pytest.approx(1 - (sum(expected.values()) - near) / tokens)


def test_by_hand():
    """5 is missing: it stands 2 back in the prompt, 3 back, then nowhere in a text of its own."""
    first = [(5, False), (1, True), (5, True), (1, True), (2, True), (5, True)]
    reuse = context_reuse([whole([first, [(5, True)]])], np.isin(np.arange(6), [1, 2]))
    assert as_counter(reuse) == {0: 1, 2: 1, 3: 1}
    assert (reuse.tokens, reuse.missing, reuse.longest) == (6, 3, 3)
    assert reuse.coverage == pytest.approx(0.5)
    assert reuse.shares([1, 2, 3, 4096]).tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3])
    assert reuse.coverages([2]).tolist() == pytest.approx([4 / 6])


def test_nothing_is_missing_where_all_is_kept():
    reuse = context_reuse([whole([[(1, True), (1, True)]])], np.ones(2, bool))
    assert (reuse.missing, reuse.coverage, reuse.longest) == (0, 1.0, 0)
    assert reuse.shares(WINDOWS).tolist() == [0, 0, 0]


def test_an_id_beyond_the_vocabulary_is_refused():
    with pytest.raises(InputError, match="hold id 7, but the vocabulary has V = 4 tokens"):
        context_reuse([whole([[(7, True)]])], np.ones(4, bool))


@pytest.fixture(scope="module")
def recipe() -> CountConfig:
    tokenizer = load_tokenizer("llama-3.1")
    return CountConfig(tokenizer, resolve_template(tokenizer, "llama3"))


def rows(path, *chats):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    return path


def test_a_conversation_with_a_tool_is_read_as_its_template_writes_it(recipe, tmp_path):
    """A token of the call stands in the question, one of the answer in the tool's result."""
    corpus = open_corpus(rows(tmp_path / "a.jsonl", CHAT))
    readings = sample_conversations(corpus, recipe, 9).readings
    assert readings[0].text == re.sub("[⟦⟧]", "", RENDERED)
    backend = recipe.tokenizer.backend
    text = [
        (token, i % 2 == 1)
        for i, piece in enumerate(re.split("[⟦⟧]", RENDERED))
        for token in backend.encode(piece, add_special_tokens=False).ids
    ]
    kept = np.ones(recipe.tokenizer.vocab_size, bool)
    lacking = {
        backend.encode(word, add_special_tokens=False).ids[0]
        for word in (" Friday", " Bellagio", " leaves", "05", "<|eot_id|>")
    }
    kept[list(lacking)] = False
    reuse = context_reuse(encode_marked(readings, recipe), kept)
    found = naive([text], set(np.flatnonzero(kept).tolist()))
    assert as_counter(reuse) == found
    assert found[0] >= 1  # " leaves" stands nowhere before
    assert sum(found.values()) - found[0] >= 3
    assert reuse.tokens == sum(counted for _, counted in text)


@pytest.mark.parametrize("rule", ["assistant", "content", "all"])
@pytest.mark.parametrize("name", ["plain.jsonl", "tools.jsonl"])
def test_what_is_missing_is_what_a_count_misses(recipe, rule, name):
    """The count encodes turns apart wherever it can; here conversations are encoded whole."""
    corpus = open_corpus(ROOT / "tests" / "data" / name, limit=150)
    recipe = CountConfig(recipe.tokenizer, recipe.template, rule)
    options = {"most_refused": 1.0, "cache": False, "responses": False}
    counts = count(corpus, recipe.tokenizer, recipe.template, rule=rule, **options)
    kept = np.argsort(-counts.counts, kind="stable")[:200]
    vocabulary = DraftVocabulary.of(kept, counts.vocab_size)
    sample = sample_conversations(corpus, recipe, 10**6)
    reuse = context_reuse(encode_marked(sample.readings, recipe), vocabulary.t2d)
    missing = int(counts.counts[~vocabulary.t2d].sum())
    assert (reuse.tokens, reuse.missing) == (counts.tokens, missing)
    assert reuse.coverage == pytest.approx(coverage_on(vocabulary, counts).coverage)
    assert reuse.conversations == counts.conversations
    assert sample.report.skipped == counts.skipped


# --- the sample ----------------------------------------------------------------------------------


def numbered(folder, *sizes):
    """Files of so many conversations, each with an answer of its own number."""
    first = 0
    for n, size in enumerate(sizes):
        chats = (
            [{"role": "user", "content": "?"}, {"role": "assistant", "content": f"no{first + i}"}]
            for i in range(size)
        )
        rows(folder / f"{n}.jsonl", *chats)
        first += size
    return open_corpus(folder)


def drawn(corpus, recipe, most, seed=0) -> list[int]:
    sample = sample_conversations(corpus, recipe, most, seed=seed)
    return [int(re.findall(r"no(\d+)", reading.text)[0]) for reading in sample.readings]


def test_every_conversation_is_drawn_equally_often(recipe, tmp_path):
    corpus, times = numbered(tmp_path, 7, 1, 4), Counter()
    for seed in range(300):
        found = drawn(corpus, recipe, 4, seed)
        assert len(set(found)) == 4
        times.update(found)
    assert set(times) == set(range(12))
    assert all(60 < n < 140 for n in times.values())  # 100 expected, 8 the standard deviation


def test_the_same_seed_draws_the_same_and_all_are_taken_where_there_are_no_more(recipe, tmp_path):
    corpus = numbered(tmp_path, 7, 1, 4)
    assert drawn(corpus, recipe, 5) == drawn(corpus, recipe, 5)
    assert drawn(corpus, recipe, 5) != drawn(corpus, recipe, 5, seed=1)
    assert drawn(corpus, recipe, 12) == drawn(corpus, recipe, 50) == list(range(12))
    assert sample_conversations(corpus, recipe, 12).complete
    assert not sample_conversations(corpus, recipe, 11).complete


def test_what_is_left_out_is_said_with_its_place(recipe, tmp_path):
    two = [CHAT[0], {**CHAT[1], "tool_calls": [CALL, CALL]}, *CHAT[2:]]  # Llama refuses two calls
    corpus = open_corpus(rows(tmp_path / "a.jsonl", CHAT, two))
    sample = sample_conversations(corpus, recipe, 10)
    assert len(sample.readings) == 1
    said = sample.report.sentence()
    assert "1 row skipped" in said
    assert "a.jsonl:2" in said
    with pytest.raises(InputError, match=r"a\.jsonl:1"):
        sample_conversations(open_corpus(rows(tmp_path / "b" / "a.jsonl", two)), recipe, 10)


@pytest.mark.parametrize("most", [0, -3])
def test_at_least_one_is_drawn(recipe, tmp_path, most):
    with pytest.raises(InputError, match=f"At least 1 conversation must be drawn, not {most}"):
        sample_conversations(numbered(tmp_path, 2), recipe, most)


# --- the figure ----------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [0, 9, 20_000])
def test_the_curve_has_the_reported_windows(longest):
    distances = np.ones(longest + 1, np.int64)
    reuse = ContextReuse(3, 10 * (longest + 1), distances)
    figure = context_reuse_figure(context_reuse_info(reuse))
    line, marks = figure.data
    assert list(marks.x) == list(WINDOWS)
    for x, y in zip(marks.x, marks.y, strict=True):
        assert y == pytest.approx(100 * min(x, longest) / (longest + 1))
        assert line.y[list(line.x).index(x)] == y
    assert max(line.x) == max(longest, 4096)
    assert (np.diff(line.y) >= 0).all()
