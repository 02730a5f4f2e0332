"""Coverage by script and by detected language, against counting by hand."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from helpers.languages_talks import answers
from helpers.real_data import load_once
from helpers.tokenizer_makers import byte_level, write_folder

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.generalization.domains import DomainCoverage
from vocabtrim_core.generalization.languages import (
    FEWEST,
    LANGUAGES,
    LATIN,
    UNCLEAR,
    coverage_by_language,
    coverage_by_script,
    language_of,
    with_languages,
    worst_language,
)
from vocabtrim_core.tokenizers.kinds import token_kinds

NEEDS_DETECTOR = pytest.mark.skipif(
    find_spec("py3langid") is None, reason="needs the package py3langid"
)
MIX = {"English": 60, "German": 25, "Russian": 15}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("t") / "small", byte_level(["<|im_end|>"]))


@pytest.fixture(scope="module")
def spoken(folder) -> tuple[Responses, list[str]]:
    """Responses in three languages, with the language of each conversation."""
    tokenizer = load_once(folder)
    texts = [(name, text) for name, n in MIX.items() for text in answers(name, n, seed=len(name))]
    order = np.random.default_rng(0).permutation(len(texts))
    rows = [tokenizer.ids(texts[i][1]) for i in order]
    ids = np.array([i for row in rows for i in row], np.uint32)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    n = len(rows)
    none = np.full(n, -1, np.int16)
    responses = Responses(ids, offsets, np.arange(n), none, (), tokenizer.vocab_size)
    return responses, [texts[i][0] for i in order]


@NEEDS_DETECTOR
def test_languages_are_told_apart_and_covered_as_counted(folder, spoken):
    responses, names = spoken
    tokenizer = load_once(folder)
    labelled = with_languages(responses, tokenizer)
    assert [labelled.domains[code] for code in labelled.domain] == names
    kept = np.zeros(tokenizer.vocab_size, bool)
    kept[np.argsort(-responses.counts(), kind="stable")[:150]] = True
    rows = coverage_by_language(labelled, kept)
    covered, total = Counter[str](), Counter[str]()
    for i, name in enumerate(names):
        for token in responses.ids[responses.offsets[i] : responses.offsets[i + 1]]:
            covered[name] += int(kept[token])
            total[name] += 1
    assert {row.domain: row.coverage for row in rows} == {
        name: pytest.approx(covered[name] / total[name]) for name in MIX
    }
    assert {row.domain: row.conversations for row in rows} == MIX
    worst = worst_language(rows)
    assert worst is not None
    assert worst.domain == min(MIX, key=lambda name: covered[name] / total[name])
    held_out = coverage_by_language(labelled, kept, counts=responses.counts())
    assert {row.domain for row in held_out} == set(MIX)
    assert all(0 < row.coverage <= 1 for row in held_out)


@NEEDS_DETECTOR
def test_a_sample_is_drawn_the_same_way_again(folder, spoken):
    responses, names = spoken
    tokenizer = load_once(folder)
    one, again = (with_languages(responses, tokenizer, sample=30, seed=1) for _ in range(2))
    assert np.array_equal(one.domain, again.domain)
    looked_at = np.flatnonzero(one.domain >= 0)
    assert len(looked_at) == 30
    assert [one.domains[one.domain[i]] for i in looked_at] == [names[i] for i in looked_at]
    rows = coverage_by_language(one, np.ones(tokenizer.vocab_size, bool))
    assert sum(row.conversations for row in rows) == 30


@NEEDS_DETECTOR
@pytest.mark.parametrize("text", ["", "4", "x = 3 + 4", "```python\nfor i in range(3):\n    f(i)"])
def test_code_and_short_texts_are_unclear(text):
    assert language_of(text) == UNCLEAR


@NEEDS_DETECTOR
def test_every_language_is_one_the_detector_knows():
    langid = import_module("py3langid.langid")
    known = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE).labels
    assert set(LANGUAGES) <= set(known)


def row(name: str, conversations: int, coverage: float) -> DomainCoverage:
    return DomainCoverage(name, conversations, 100, coverage, None)


def test_the_worst_has_enough_conversations_and_a_name():
    few = row("Thai", FEWEST - 1, 0.1)
    unclear = row(UNCLEAR, 50, 0.2)
    german, english = row("German", 9, 0.8), row("English", 90, 0.95)
    assert worst_language([english, few, unclear, german]) is german
    assert worst_language([few, unclear]) is None


def test_scripts_are_those_of_the_letters(folder):
    """Each token's script by its letters' names, written out here."""
    tokenizer = load_once(folder)
    texts = [*answers("Russian", 20), *answers("German", 20), "你好 x = 1;"]
    counts = np.zeros(tokenizer.vocab_size, np.int64)
    for text in texts:
        np.add.at(counts, tokenizer.ids(text), 1)
    kept = np.zeros(tokenizer.vocab_size, bool)
    kept[::2] = True
    rows = {r.script: r for r in coverage_by_script(counts, token_kinds(tokenizer), kept)}
    words = [
        i
        for i, text in enumerate(tokenizer.tokens(range(tokenizer.vocab_size)))
        if text.strip().isascii() and text.strip().isalpha()
    ]
    assert rows[LATIN].tokens >= counts[words].sum() > 0
    pieces = [i for i, t in enumerate(tokenizer.tokens(range(tokenizer.vocab_size))) if "<0x" in t]
    assert rows["byte fragment"].tokens == counts[pieces].sum() > 0
    assert rows["byte fragment"].coverage == pytest.approx(
        counts[pieces][kept[pieces]].sum() / counts[pieces].sum()
    )
    for r in rows.values():
        assert r.share == pytest.approx(r.tokens / counts.sum())
        assert 0 <= r.missing <= r.distinct
