"""Kinds of tokens, what a vocabulary lacks, where it occurs, and what adding it changes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.real_data import real_tokenizer
from helpers.tokenizer_makers import byte_level, sentence_piece, write_folder

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.missing import AROUND, add_tokens, examples, missing
from vocabtrim_core.tokenizers.kinds import CODE, kind_of, token_kinds
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.vocabulary import DraftVocabulary

SPECIALS = ["<|im_start|>", "<|im_end|>", "<tool_call>"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("t"), byte_level(SPECIALS))
    return load_tokenizer(folder)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (" Canberra", "word"),
        ("naïve", "word"),
        ("'t", "word"),
        ("ING", "word"),
        ("-like", "word"),
        (" isError", CODE),
        ("_shift", CODE),
        ("<<", CODE),
        (" x1", CODE),
        ("});", CODE),
        ("123", "number"),
        (" 7", "number"),
        ("٣", "number"),
        ("\n\n", "whitespace"),
        ("\u3000", "whitespace"),
        ("<0xE2 0x96>", "byte fragment"),
        ("<0x0A>", "byte fragment"),
        ("的", "han"),
        (" です", "kana"),
        ("한국", "hangul"),
        (" это", "cyrillic"),
        ("ा", "devanagari"),
        ("ς", "greek"),
        ("。", "symbol"),
        ("😀", "symbol"),
        (" ∈", "symbol"),
    ],
)
def test_kind_of_a_text(text, kind):
    assert kind_of(text) == kind


def test_every_id_has_a_kind(tokenizer):
    kinds = token_kinds(tokenizer)
    assert len(kinds.codes) == tokenizer.vocab_size
    assert kinds.ids("special").tolist() == sorted(tokenizer.specials)
    assert sum(len(kinds.ids(name)) for name in kinds.names) == tokenizer.vocab_size
    assert kinds.name(tokenizer.ids("\n")[0]) == "whitespace"
    assert "cjk" not in kinds.scripts  # its bytes are fragments
    with pytest.raises(InputError, match="no tokens of a script 'cjk'"):
        kinds.script_ids("cjk")


def test_bytes_of_a_sentence_piece_tokenizer_are_fragments(tmp_path):
    kinds = token_kinds(load_tokenizer(write_folder(tmp_path / "t", sentence_piece([]))))
    assert len(kinds.ids("byte fragment")) == 256


def test_real_scripts_and_families():
    kinds = token_kinds(real_tokenizer("llama-3.1"))
    families = [len(kinds.script_ids(s)) for s in ("cjk", "han", "kana", "hangul")]
    assert families[0] == sum(families[1:]) > 7000
    assert len(kinds.script_ids("cyrillic")) > 6000
    assert len(kinds.ids("special")) == 256


def test_missing_tokens_by_hand(make_counts):
    counts = make_counts([5, 0, 3, 3, 1])
    found = missing(counts, DraftVocabulary(np.array([0, 1]), 5))
    assert found.ids.tolist() == [2, 3, 4]  # ties: lower id
    assert found.counts.tolist() == [3, 3, 1]
    assert found.share == pytest.approx(7 / 12)
    everything = missing(counts, DraftVocabulary(np.arange(5), 5))
    assert (len(everything.ids), everything.share) == (0, 0)
    with pytest.raises(InputError, match="V = 5"):
        missing(counts, DraftVocabulary(np.arange(5), 6))


def test_groups_add_up_to_what_is_missing(tokenizer, make_counts):
    rng = np.random.default_rng(0)
    counts = make_counts(rng.integers(0, 50, tokenizer.vocab_size))
    kept = DraftVocabulary(np.arange(0, tokenizer.vocab_size, 2), tokenizer.vocab_size)
    found = missing(counts, kept, token_kinds(tokenizer))
    assert sum(group.occurrences for group in found.groups) == found.occurrences
    assert sum(group.distinct for group in found.groups) == len(found.ids)
    assert sum(group.share for group in found.groups) == pytest.approx(found.share)
    assert {"word", "byte fragment", "special"} <= {group.kind for group in found.groups}


def responses_of(tokenizer, texts: list[str]) -> Responses:
    ids = [tokenizer.ids(text) for text in texts]
    offsets = np.cumsum([0, *map(len, ids)])
    n = len(texts)
    joined = np.array([i for part in ids for i in part], np.uint32)
    return Responses(joined, offsets, np.arange(n), np.full(n, -1), (), tokenizer.vocab_size)


def test_examples_show_the_token_in_its_own_response(tokenizer):
    text = "assistant user ; assistant system ; user"
    semicolon = tokenizer.ids(";")[0]
    others = ["word", text, "; user", text, text, text]
    responses = responses_of(tokenizer, others)
    found = examples(responses, [semicolon], tokenizer, most=2)[semicolon]
    assert len(found) == 2  # one per response, however often it occurs there
    for example in found:
        assert example.token == ";"
        assert example.before + ";" + example.after in text
        assert len(tokenizer.ids(example.before)) <= AROUND
    unseen = tokenizer.ids("?!")[0]
    assert examples(responses, [unseen], tokenizer) == {unseen: ()}


def test_examples_need_the_right_tokenizer(tokenizer, tmp_path):
    other = load_tokenizer(write_folder(tmp_path / "t", byte_level([], size=300)))
    with pytest.raises(InputError, match="give the tokenizer that they were counted with"):
        examples(responses_of(tokenizer, ["a"]), [1], other)


def test_adding_tokens_shows_coverage_and_cost(make_counts):
    sets = [make_counts([5, 0, 3, 2]), make_counts([1, 1, 1, 1])]
    draft = DraftArchitecture("tiny", 8, 8, 2, 1, 4, 4)
    added = add_tokens(DraftVocabulary(np.array([0]), 4), [2, 0], sets, draft, alpha=0.5)
    assert added.vocabulary.ids.tolist() == [0, 2]
    assert added.added == 1
    pairs = [(c.before, c.after) for c in added.coverage]
    assert pairs == [(0.5, 0.8), (0.25, 0.5)]
    reductions = [draft.latency_reduction(k) for k in (1, 2)]
    assert (added.latency_reduction.before, added.latency_reduction.after) == tuple(reductions)
    assert added.utility.after == pytest.approx(0.5 * 0.8 + 0.5 * reductions[1])
    assert add_tokens(DraftVocabulary(np.array([0]), 4), [2], sets).utility is None
