"""Lists: ranges, files of every format, what their rows are spent on, growing, even ranks."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports import FORMATS, ExportContext, export
from vocabtrim_core.generalization.list_audit import audit
from vocabtrim_core.id_ranges import from_ranges, in_blocks, to_ranges
from vocabtrim_core.mappings.imported import import_mapping
from vocabtrim_core.selection.extend import extend
from vocabtrim_core.selection.rank_balance import balanced, rank_of, rows_per_rank
from vocabtrim_core.vocabulary import DraftVocabulary

V = 320
IDS = np.array([0, 1, 2, 9, 10, 64, 65, 300, 319])
LIST = DraftVocabulary(IDS, V)
MTP_FORMATS = ("mtp-ids", "mtp-ranges", "llama-cpp-mtp", "sglang-nextn")


# ---------------------------------------------------------------- ranges


@given(st.sets(st.integers(0, 24), min_size=1, max_size=10), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_the_cover_is_the_tightest(ids, most):
    """Against every way of cutting the ids into at most so many runs."""
    ranges = to_ranges(ids, most)
    assert 1 <= len(ranges) <= most
    covered = from_ranges([list(pair) for pair in ranges], "x")
    assert ids <= set(covered)
    ordered = sorted(ids)
    best = min(
        sum(
            ordered[b - 1] + 1 - ordered[a] for a, b in zip([0, *cuts], [*cuts, len(ids)], strict=1)
        )
        for n in range(min(most, len(ids)))
        for cuts in combinations(range(1, len(ids)), n)
    )
    assert len(covered) == best


@given(st.sets(st.integers(0, 60), min_size=1))
def test_exact_ranges_name_the_ids(ids):
    assert from_ranges([list(pair) for pair in to_ranges(ids)], "x") == sorted(ids)


def test_blocks_are_filled_up():
    assert in_blocks([5, 17], 4, 18) == [4, 5, 6, 7, 16, 17]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[0, 4], [3, 9]], r"range 2: \[3, 9\] begins before the range ahead of it ends \(4\)"),
        ([[5, 9], [0, 2]], r"range 2: \[0, 2\] begins before"),
        ([[4, 4]], r"range 1: \[4, 4\] is empty or negative"),
        ([[-1, 4]], r"range 1: \[-1, 4\] is empty or negative"),
        ([[0, 1.5]], r"range 1: \[0, 1.5\] is no pair of whole numbers"),
        ([[0, 1], 7], r"range 2: 7 is no pair of whole numbers"),
        ([[0, 10**9]], r"names more than 1,000,000 ids"),
    ],
)
def test_bad_ranges_are_one_sentence(value, message, tmp_path):
    (tmp_path / "ranges.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=message):
        import_mapping(tmp_path / "ranges.json", V)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("name", MTP_FORMATS)
def test_exports_are_imported(name, tmp_path, make_counts):
    counts = make_counts(np.arange(V) % 7)
    export(LIST, [name], tmp_path / "out", ExportContext(counts))
    folder = tmp_path / "out" / name
    assert np.sort(FORMATS[name].read(folder, len(LIST))).tolist() == IDS.tolist()
    for file in folder.iterdir():
        found = import_mapping(file, V)
        assert found.vocabulary == LIST
        assert found.valid, found.problems


def test_files_are_what_their_readers_load(tmp_path):
    """With the calls of the readers, not ours."""
    export(LIST, list(MTP_FORMATS), tmp_path / "out")
    out = tmp_path / "out"
    array = np.load(out / "mtp-ids/draft_vocab.npy")
    assert (array.dtype, array.tolist()) == (np.int64, IDS.tolist())
    text = (out / "mtp-ids/draft_vocab.txt").read_text()
    assert [int(line) for line in text.splitlines()] == IDS.tolist()
    raw = np.fromfile(out / f"llama-cpp-mtp/mtp-draft-vocab-{len(LIST)}.i32", "<i4")
    assert raw.tolist() == IDS.tolist()
    hot = torch.load(out / f"sglang-nextn/hot_tokens_{len(LIST)}.pt", weights_only=True)
    assert (hot.dtype, hot.tolist()) == (torch.int64, IDS.tolist())
    ranges = json.loads((out / "mtp-ranges/ranges.json").read_text())
    assert [i for a, b in ranges for i in range(a, b)] == IDS.tolist()
    assert ranges[0] == [0, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.i32", b"\0" * 6, r"has 6 bytes, which are no int32s of 4 bytes each"),
        ("a.i32", b"", r"has 0 bytes"),
        ("a.csv", b"reduced_id,token_id,text\n0,x,y\n", r"line 2: there is no whole number"),
        ("a.csv", b"reduced_id,token_id,text\n", r"a header and no token ids"),
        ("a.txt", b"1\n# two\nthree\n", r"line 3: 'three' is no whole number"),
        ("a.gguf", b"GGUF", r"is not a GGUF file"),
    ],
)
def test_bad_files_are_one_sentence(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_mapping(tmp_path / name, V)


def test_floats_are_no_ids(tmp_path):
    np.save(tmp_path / "ids.npy", np.array([1.0, 2.0]))
    with pytest.raises(InputError, match=r"flat list of whole numbers"):
        import_mapping(tmp_path / "ids.npy", V)


def test_comments_and_tables_without_a_header(tmp_path):
    (tmp_path / "a.txt").write_text("# German\n3\n\n5 # ß\n")
    (tmp_path / "a.csv").write_text("0,3\n1,5\n")
    for name in ("a.txt", "a.csv"):
        assert import_mapping(tmp_path / name, V).vocabulary.ids.tolist() == [3, 5]


# ---------------------------------------------------------------- audit


def test_audit_counts_what_rows_are_spent_on(make_counts):
    values = np.zeros(V, int)
    values[[0, 1, 9, 64, 200, 201]] = 5
    found = audit(np.array([*IDS, 0, 9]), LIST, [make_counts(values)], ranks=2)
    assert (found.rows, found.repeats, found.filler) == (11, 2, 5)
    assert (found.occurring, found.occurring_kept) == (6, 4)
    assert found.ranks == (7, 2)
    text = " ".join(found.sentences)
    assert "2 entries name a token that stands before them" in text
    assert "only 6 ids occur" in text
    assert "fullest rank has 7 rows" in text


def test_audit_names_the_bytes_that_a_list_lacks():
    from vocabtrim_core.generalization import list_audit
    from vocabtrim_core.tokenizers.presets import PRESETS
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    if not PRESETS["tekken"].installed:
        pytest.skip("needs the package mistral-common")
    tokenizer = load_tokenizer("tekken")
    single = [i for i in range(1000, 1256)]  # Tekken: a thousand control tokens, then the bytes
    vocabulary = DraftVocabulary.of([*single[:200], 5000], tokenizer.vocab_size)
    found = list_audit.audit(vocabulary.ids, vocabulary, [], tokenizer)
    assert (found.bytes_known, found.lacking_bytes) == (256, 56)


# ---------------------------------------------------------------- extend


def corpora(make_counts):
    first, second = np.zeros(V, int), np.zeros(V, int)
    first[:20] = np.arange(40, 20, -1)
    second[100:110] = np.arange(20, 10, -1)
    second[:5] = 3
    return make_counts(first), make_counts(second)


def test_a_list_grows_by_the_corpus_own_frequencies(make_counts):
    first, second = corpora(make_counts)
    base = DraftVocabulary(np.arange(10), V)
    longer = extend(base, [second], add=4, measured=[first])
    assert longer.vocabulary.ids.tolist() == [*range(10), 100, 101, 102, 103]
    added, measured = longer.changes
    assert (added.added_from, measured.added_from) == (True, False)
    assert added.before == pytest.approx(15 / (155 + 15))
    assert added.after == pytest.approx((15 + 20 + 19 + 18 + 17) / 170)
    assert measured.before == measured.after
    assert (added.missing, longer.note) == (6, "")


def test_what_never_occurs_is_not_added(make_counts):
    _, second = corpora(make_counts)
    longer = extend(DraftVocabulary(np.arange(10), V), [second], k=200)
    assert len(longer.vocabulary) == 20
    assert "only 15 ids occur" in longer.note
    assert longer.changes[0].after == 1


def test_a_coverage_is_reached_with_the_fewest(make_counts):
    _, second = corpora(make_counts)
    base = DraftVocabulary(np.arange(10), V)
    for goal in (0.0, 0.3, 0.5, 0.9, 1.0):
        longer = extend(base, [second], coverage=goal)
        assert longer.changes[0].after >= goal - 1e-9
        if len(longer.added):
            fewer = extend(base, [second], add=len(longer.added) - 1)
            assert fewer.changes[0].after < goal


def test_pins_come_first_and_count(make_counts):
    _, second = corpora(make_counts)
    base = DraftVocabulary(np.arange(10), V)
    longer = extend(base, [second], add=3, pinned=np.array([5, 300, 301]))
    assert longer.pinned.tolist() == [300, 301]
    assert longer.added.tolist() == [100]
    with pytest.raises(InputError, match=r"10 tokens and 2 more are pinned, which is above k = 11"):
        extend(base, [second], k=11, pinned=np.array([300, 301]))
    with pytest.raises(InputError, match=r"Give one budget"):
        extend(base, [second], k=11, add=2)
    with pytest.raises(InputError, match=r"V = 320, but the list belongs to V = 400"):
        extend(DraftVocabulary(np.arange(10), 400), [second], add=2)


# ---------------------------------------------------------------- ranks


def test_ranks_are_runs_of_the_padded_vocabulary():
    """vLLM: V is padded to a multiple of 64, then shared."""
    assert np.bincount(rank_of(151_936, 2)).tolist() == [75_968, 75_968]
    assert np.bincount(rank_of(130, 2)).tolist() == [96, 34]
    with pytest.raises(InputError, match=r"must be 1 to 130 ranks, not 0"):
        rank_of(130, 0)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_smallest_largest_rank_is_found(data):
    """Against every list of the same size that keeps what must stay and loses no more."""
    size, ranks = 192, 3
    places = np.array([0, 1, 2, 3, 64, 65, 66, 128, 129])
    counts = np.zeros(size, int)
    counts[places] = data.draw(st.lists(st.integers(0, 6), min_size=9, max_size=9))
    counts[190] = 1
    universe = [*places.tolist(), 190]
    count = data.draw(st.integers(2, 6))
    members = data.draw(st.permutations(universe))[:count]
    vocabulary = DraftVocabulary.of(members, size)
    fixed = np.array(members[: data.draw(st.integers(0, 2))], np.int64)
    allowed = data.draw(st.sampled_from([0.0, 0.1]))
    even = balanced(vocabulary, counts, ranks, most_lost=allowed, fixed=fixed)
    owners = rank_of(size, ranks)
    # Every id that is not among these has no count; two of each rank stand for them.
    unseen = [i for r in range(ranks) for i in range(64 * r + 20, 64 * r + 20 + count)]
    least = counts[vocabulary.ids].sum() - allowed * counts.sum()
    best = min(
        int(np.bincount(owners[list(other)], minlength=ranks).max())
        for kept in range(count + 1)
        for chosen in combinations(universe, kept)
        if set(fixed.tolist()) <= set(chosen) and counts[list(chosen)].sum() >= least
        for other in [filled(list(chosen), unseen, count, owners, ranks)]
    )
    assert even.after.max() == best
    assert len(even.vocabulary) == count
    assert set(fixed.tolist()) <= set(even.vocabulary.ids.tolist())
    assert counts[even.vocabulary.ids].sum() >= least
    assert even.lost == pytest.approx(
        (counts[vocabulary.ids].sum() - counts[even.vocabulary.ids].sum()) / counts.sum()
    )


def filled(chosen: list[int], unseen: list[int], size: int, owners, ranks) -> list[int]:
    """Ids without a count on the emptiest ranks, up to the size."""
    chosen, unseen = list(chosen), list(unseen)
    while len(chosen) < size:
        rows = np.bincount(owners[chosen], minlength=ranks) if chosen else np.zeros(ranks)
        rank = int(np.argmin(rows))
        pick = next(i for i in unseen if owners[i] == rank)
        unseen.remove(pick)
        chosen.append(pick)
    return chosen


def test_few_tokens_are_exchanged():
    """Two rare ones of the full rank against the two most frequent of the other."""
    counts = np.zeros(128, int)
    counts[:8] = [90, 80, 70, 60, 50, 40, 2, 1]
    counts[100:104] = [9, 8, 7, 6]
    vocabulary = DraftVocabulary.of([*range(8), 100, 101], 128)
    even = balanced(vocabulary, counts, 2)
    assert rows_per_rank(vocabulary, 2).tolist() == [8, 2]
    assert even.vocabulary.ids.tolist() == [0, 1, 2, 3, 4, 5, 100, 101, 102, 103]
    assert (even.after.tolist(), even.swapped) == ([6, 4], 2)
    assert even.lost < 0
    wider = balanced(vocabulary, counts, 2, most_lost=0.2)
    assert wider.after.tolist() == [5, 5]
