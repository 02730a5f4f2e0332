"""TokenCounts: merging, saving, refusing what does not belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.cli import main
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.compare import transfer_matrix
from vocabtrim_core.report.inputs import ReportInputs
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec

COUNTS = st.lists(st.integers(0, 10**9), min_size=5, max_size=5)


@given(COUNTS, COUNTS, COUNTS)
def test_merge_is_associative_and_commutative(make_counts_of, a, b, c):
    a, b, c = (make_counts_of(x) for x in (a, b, c))
    left, right, swapped = (a + b) + c, a + (b + c), c + b + a
    assert left.counts.tolist() == right.counts.tolist() == swapped.counts.tolist()
    assert left.conversations == a.conversations + b.conversations + c.conversations


def test_totals_by_hand(make_counts):
    counts = make_counts([4, 0, 1])
    assert (counts.tokens, counts.distinct, counts.vocab_size) == (5, 2, 3)
    with pytest.raises(ValueError, match="read-only"):
        counts.counts[0] = 1


def test_saved_counts_come_back_and_are_the_same_bytes(make_counts, tmp_path):
    counts = make_counts([4, 0, 1])
    first, second = counts.save(tmp_path / "a.npz"), counts.save(tmp_path / "b.npz")
    assert first.read_bytes() == second.read_bytes()
    again = TokenCounts.load(first)
    assert again.key == counts.key
    assert again.provenance == counts.provenance
    assert again.counts.tolist() == [4, 0, 1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.parametrize("field", ["rule", "tokenizer_sha256", "template_sha256", "max_length"])
def test_differently_counted_sets_do_not_merge(make_counts, field):
    with pytest.raises(InputError, match=f"{field.removesuffix('_sha256').replace('_', ' ')} is"):
        make_counts([1, 2]) + make_counts([1, 2], **{field: "other"})


def test_vocab_sizes_must_agree(make_counts):
    with pytest.raises(InputError, match="vocab size is 2 against 3"):
        make_counts([1, 2]) + make_counts([1, 2, 3])


OTHER_WAYS = [
    {"rule": "content"},
    {"span_end": "template"},
    {"tokenizer_sha256": "x"},
    {"template_sha256": "x"},
    {"reasoning": False},
    {"last_turn_only": True},
    {"max_length": 9},
]


@pytest.mark.parametrize("way", OTHER_WAYS, ids=lambda way: next(iter(way)))
def test_what_may_be_compared_is_one_rule(make_counts, tmp_path, capsys, way):
    """Whatever keeps two counts apart does so in a mix, a matrix, a report and commands."""
    ours, other = make_counts([4, 3, 2]), make_counts([1, 2, 3], **way)
    what = next(iter(way)).removesuffix("_sha256").replace("_", " ")
    with pytest.raises(InputError, match=f"cannot be compared with corpus: its {what} is"):
        ours.check_comparable(other)
    with pytest.raises(InputError, match=f"{what} is"):
        transfer_matrix([ours, other], 2)
    choice = SelectionSpec.make(ours, Settings(replace(PRESETS["llama-3.1-8b"], vocab_size=3)))
    with pytest.raises(InputError, match=f"its {what} is"):
        ReportInputs(ours, choice, [other]).check()
    ours.save(tmp_path / "ours.npz")
    other.save(tmp_path / "other.npz")
    argv = ["coverage", str(tmp_path / "ours.npz"), "--k", "2", "--on", str(tmp_path / "other.npz")]
    assert main(argv) == main([*argv, "--matrix"]) == 2
    assert capsys.readouterr().err.count(f"its {what} is") == 2


def test_key_follows_content(make_counts):
    assert make_counts([1, 2]).key == make_counts([1, 2]).key
    assert make_counts([1, 2]).key != make_counts([2, 1]).key
    assert make_counts([1, 2]).key != make_counts([1, 2], rule="content").key


def test_bad_files_are_named(tmp_path, make_counts):
    with pytest.raises(InputError, match="no counts file at"):
        TokenCounts.load(tmp_path / "none.npz")
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with pytest.raises(InputError, match="not a counts file"):
        TokenCounts.load(text)
    other = tmp_path / "other.npz"
    np.savez(other, something=np.arange(3))
    with pytest.raises(InputError, match="not a counts file"):
        TokenCounts.load(other)
    cut = make_counts([1] * 1000).save(tmp_path / "cut.npz")
    cut.write_bytes(cut.read_bytes()[:-40])
    with pytest.raises(InputError, match="not a counts file"):
        TokenCounts.load(cut)


def test_bad_arrays_are_refused(make_counts):
    with pytest.raises(InputError, match="id 1"):
        make_counts([3, -1])
    with pytest.raises(InputError, match="non-empty"):
        make_counts([])
