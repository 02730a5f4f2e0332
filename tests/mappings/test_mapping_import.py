"""Mappings made elsewhere: every format, every mistake, and vocabularies held side by side."""

from __future__ import annotations

import json
import pickle
from functools import cache

import numpy as np
import pytest
from helpers.lazy import Lazy
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports import FORMATS, ExportContext, export
from vocabtrim_core.generalization.compare import compare, transfer_matrix
from vocabtrim_core.mappings import store
from vocabtrim_core.mappings.imported import (
    _read,
    import_mapping,
    import_mapping_for,
    valid_mapping_for,
)
from vocabtrim_core.mappings.raw import RawMapping
from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity, write_ids
from vocabtrim_core.vocabulary import DraftVocabulary

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")

SIZE = 100
RNG = np.random.default_rng(4)
IDS = np.sort(np.concatenate([np.arange(12), RNG.choice(np.arange(12, SIZE), 18, replace=False)]))
KEPT = DraftVocabulary(IDS, SIZE)


@cache
def offsets():
    return torch.tensor(KEPT.d2t)


@cache
def mask():
    return torch.tensor(KEPT.t2d)


def draft(folder, d2t=None, rows=30, config=None, name="model.safetensors", **more):
    """A draft checkpoint folder with a head of so many rows."""
    folder.mkdir(exist_ok=True)
    tensors = {
        "d2t": (offsets() if d2t is None else d2t).clone(),
        "lm_head.weight": torch.zeros(rows, 4, dtype=torch.bfloat16),
    }
    safetensors_torch.save_file({**tensors, **more}, folder / name)
    sizes = {"vocab_size": SIZE, "draft_vocab_size": 30}
    (folder / "config.json").write_text(json.dumps({**sizes, **(config or {})}))
    return folder


def written(folder, name: str):
    """A file or folder of each kind that holds KEPT."""
    path = folder / name
    if name in ("vocab_mapping.pt", "cache.pt"):
        torch.save({"d2t": offsets(), "t2d": mask()}, path)
    elif name == "old_layout.pt":
        torch.save({"d2t": offsets(), "t2d": mask()}, path, _use_new_zipfile_serialization=False)
    elif name == "freq_30.pt":
        torch.save(IDS[::-1].tolist(), path)
    elif name == "d2t.pt":
        torch.save(offsets(), path)
    elif name == "draft_token_map.pt":
        torch.save({"selected_token_ids": torch.tensor(IDS), "target_vocab_size": SIZE}, path)
    elif name == "pair":
        path.mkdir()
        np.save(path / "d2t.npy", KEPT.d2t)
        np.save(path / "t2d.npy", KEPT.t2d)
    elif name in ("d2t-30.npy", "t2d-30.npy"):
        np.save(folder / "d2t-30.npy", KEPT.d2t)
        np.save(folder / "t2d-30.npy", KEPT.t2d)
    elif name == "t2d.npy":
        np.save(path, KEPT.t2d)
    elif name == "ids.npz":
        np.savez(path, ids=IDS)
    elif name == "ids.json":
        path.write_text(json.dumps({"vocab_size": SIZE, "ids": IDS.tolist()}))
    elif name == "array.json":
        path.write_text(json.dumps(IDS.tolist()))
    elif name == "ids.txt":
        path.write_text("\n".join(map(str, IDS)))
    elif name == "checkpoint":
        draft(path, t2d=mask().clone())
    elif name == "file.safetensors":
        draft(folder / "d", t2d=mask().clone())
        (folder / "d" / "model.safetensors").rename(path)
    elif name == "with_prefix.safetensors":
        safetensors_torch.save_file({"model.d2t": offsets(), "model.t2d": mask()}, path)
    else:
        raise AssertionError(name)
    return path


KINDS = (
    "vocab_mapping.pt",
    "cache.pt",
    "old_layout.pt",
    "freq_30.pt",
    "d2t.pt",
    "draft_token_map.pt",
    "pair",
    "d2t-30.npy",
    "t2d-30.npy",
    "t2d.npy",
    "ids.npz",
    "ids.json",
    "array.json",
    "ids.txt",
    "checkpoint",
    "file.safetensors",
    "with_prefix.safetensors",
)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_read(tmp_path, name):
    found = import_mapping(written(tmp_path, name), SIZE)
    assert found.vocabulary == KEPT
    assert found.valid, found.problems
    assert len(found.ids) == 30


@pytest.mark.parametrize("name", [f.name for f in FORMATS.values() if not f.needs_draft])
def test_every_format_of_ours_is_read_back(tmp_path, name):
    export(KEPT, [name], tmp_path / "out")
    found = import_mapping(tmp_path / "out")
    assert found.vocabulary == KEPT
    assert found.valid, found.problems
    assert f"As {name} reads it" in found.checks[0].detail


def test_v_is_taken_from_the_file_where_it_tells(tmp_path):
    for name in ("vocab_mapping.pt", "draft_token_map.pt", "ids.json", "checkpoint"):
        path = written(tmp_path, name)
        assert import_mapping(path).vocabulary.vocab_size == SIZE
        with pytest.raises(InputError, match="belongs to V = 100, but the counts have V = 200"):
            import_mapping(path, 200)
    with pytest.raises(InputError, match="does not say how large"):
        import_mapping(written(tmp_path, "freq_30.pt"))


# --- whose ids ------------------------------------------------------------------------------------


@pytest.fixture
def counts(make_counts):
    return make_counts(np.arange(SIZE))


@pytest.fixture
def foreign(make_counts):
    return make_counts(np.arange(SIZE), tokenizer="other", tokenizer_sha256="f" * 64)


@pytest.mark.parametrize(
    "part",
    [
        "",
        "specforge",
        "specforge/vocab_mapping.pt",
        "ids/ids.txt",
        "speculators/d2t-30.npy",
        "nemo/draft_token_map.pt",
    ],
)
def test_an_exports_tokenizer_must_be_the_counts(tmp_path, counts, foreign, part):
    """The manifest beside a mapping knows whose ids it holds: equal V is not enough."""
    export(
        KEPT, ["specforge", "ids", "speculators", "nemo"], tmp_path / "out", ExportContext(counts)
    )
    path = tmp_path / "out" / part
    found = import_mapping_for(path, counts)
    assert found.vocabulary == KEPT
    assert found.origin == TokenizerIdentity.of(counts)
    with pytest.raises(InputError) as said:
        import_mapping_for(path, foreign)
    sentence = str(said.value)
    assert f"ids of the tokenizer {TokenizerIdentity.of(counts)}" in sentence
    assert f"counted with {TokenizerIdentity.of(foreign)}" in sentence
    assert str(path) in sentence


def test_only_a_manifest_that_lists_a_file_speaks_for_it(tmp_path, counts, foreign):
    export(KEPT, ["ids"], tmp_path / "out", ExportContext(counts))
    (tmp_path / "out/theirs.txt").write_text("1\n2\n")
    assert import_mapping_for(tmp_path / "out/theirs.txt", foreign).origin is None
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/manifest.json").write_text('{"name": "an app of the web"}')
    (tmp_path / "foreign/ids.txt").write_text("1\n2\n")
    assert import_mapping_for(tmp_path / "foreign/ids.txt", counts).origin is None
    export(KEPT, ["ids"], tmp_path / "bare")  # no counts: nothing is known, nothing is claimed
    assert import_mapping_for(tmp_path / "bare", foreign).origin is None


def test_a_selection_says_whose_ids_it_holds(tmp_path, counts, foreign):
    path = write_ids(tmp_path / "ids.json", KEPT, TokenizerIdentity.of(counts), "tailored to a mix")
    found = valid_mapping_for(path, counts)
    assert (found.vocabulary, found.about) == (KEPT, "tailored to a mix")
    with pytest.raises(InputError, match="other tokens"):
        valid_mapping_for(path, foreign)
    path.write_text(json.dumps({"ids": [3, 1, 500]}))
    with pytest.raises(InputError, match="is not sound: 1 of the ids are outside"):
        valid_mapping_for(path, counts)


def test_kept_vocabularies_are_found_again(tmp_path, monkeypatch, counts, foreign):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    path = store.keep(KEPT, counts, "by hand")
    assert store.keep(KEPT, counts, "otherwise") == path
    found = store.find(KEPT.sha256, counts)
    assert found is not None
    assert (found.vocabulary, found.about) == (KEPT, "by hand")
    assert store.find(KEPT.sha256, foreign) is None
    assert store.find("../../etc/passwd", counts) is None
    assert store.find("", counts) is None


# --- mistakes ------------------------------------------------------------------------------------


def test_absolute_ids_where_offsets_belong(tmp_path):
    path = tmp_path / "d2t.npy"
    np.save(path, IDS)
    found = import_mapping(path, SIZE)
    assert (found.stored_as, found.vocabulary) == ("absolute", KEPT)
    assert "d2t holds absolute token ids where its readers expect offsets" in found.problems[0]
    torch.save({"d2t": torch.tensor(IDS), "t2d": mask()}, tmp_path / "m.pt")
    found = import_mapping(tmp_path / "m.pt")
    assert (found.stored_as, found.vocabulary) == ("absolute", KEPT)
    assert not found.valid


def test_offsets_where_absolute_ids_belong(tmp_path):
    path = tmp_path / "freq.pt"
    torch.save(KEPT.d2t.tolist(), path)
    found = import_mapping(path, SIZE)
    assert (found.stored_as, found.vocabulary) == ("offset", KEPT)
    assert (
        "holds offsets (id minus position) where its readers expect absolute" in found.problems[0]
    )


@given(st.sets(st.integers(0, 299), min_size=40, max_size=200), st.booleans(), st.booleans())
def test_what_a_list_holds_is_decided_by_its_numbers(ids, absolute, expected_absolute):
    kept = DraftVocabulary.of({*ids, 7, 8, 9}, 300)  # some neighbours, as frequent tokens are
    raw = RawMapping(
        "x",
        "list",
        kept.ids if absolute else kept.d2t,
        "absolute" if expected_absolute else "offset",
        vocab_size=300,
    )
    found, stored_as, checks = _read(raw)
    assert stored_as == ("absolute" if absolute else "offset")
    assert (found == kept.ids).all()
    assert checks[0].ok == (absolute == expected_absolute)


def test_unsound_ids_are_reported_and_the_sound_ones_measured(tmp_path):
    path = tmp_path / "freq.pt"
    torch.save([3, 1, 1, 999, 5], path)
    found = import_mapping(path, SIZE)
    assert not found.valid
    assert found.vocabulary.ids.tolist() == [1, 3, 5]
    assert any("1 of the ids are outside 0..99, the first is 999" in p for p in found.problems)
    assert any("1 ids occur more than once, the first is 1" in p for p in found.problems)
    order = next(check for check in found.checks if check.name == "ascending")
    assert order.ok is None  # a token map may have any order


def test_t2d_that_disagrees_and_ids_that_do_not_ascend(tmp_path):
    wrong = mask().clone()
    wrong[IDS[5]], wrong[next(i for i in range(SIZE) if i not in IDS)] = False, True
    torch.save({"d2t": offsets(), "t2d": wrong}, tmp_path / "m.pt")
    problems = import_mapping(tmp_path / "m.pt").problems
    assert problems == ("t2d marks 30 tokens, d2t names 30, not the same ones.",)
    mixed = IDS[::-1] - np.arange(30)
    torch.save({"d2t": torch.tensor(mixed.copy()), "t2d": mask()}, tmp_path / "m.pt")
    problems = import_mapping(tmp_path / "m.pt").problems
    assert "do not ascend: draft id 0 maps to" in problems[0]
    assert "the same ones in another order" in problems[1]


def test_k_is_held_against_head_and_config(tmp_path):
    found = import_mapping(draft(tmp_path / "d", rows=29, config={"draft_vocab_size": 31}))
    assert found.problems == (
        "lm_head has 29 rows, the mapping has 30 entries.",
        "config.json says draft_vocab_size 31, the mapping has 30 entries.",
    )


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def test_pickles_of_anything_else_are_refused(tmp_path, capsys):
    torch.save({"d2t": offsets(), "x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"evil\.pt holds pickled objects other than"):
        import_mapping(tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil(), 2))
    with pytest.raises(InputError, match=r"plain\.pt"):
        import_mapping(tmp_path / "plain.pt")
    np.save(tmp_path / "d2t.npy", np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"d2t\.npy is not a numpy file"):
        import_mapping(tmp_path / "d2t.npy", SIZE)
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.pt",
            lambda: {"weights": offsets()},
            "no d2t and no selected_token_ids; it holds weights",
        ),
        ("a.pt", {5: 100, 6: 1}, "holds token frequencies"),
        ("a.pt", lambda: torch.zeros(3), "whole numbers"),
        ("a.pt", lambda: {"d2t": torch.zeros((2, 2), dtype=torch.int64)}, "flat list"),
        ("a.pt", lambda: {"d2t": offsets(), "t2d": torch.arange(100)}, "not true and false"),
        ("a.pt", [[1], [2, 3]], "flat list"),
        ("a.json", b"{", "not readable JSON"),
        ("a.json", b'{"x": 1}', "whole numbers"),
        ("a.json", b"[1.5]", "whole numbers"),
        ("a.txt", b"1\nx\n", "one whole number per line"),
        ("a.npz", b"no", "not a numpy file"),
        ("a.safetensors", b"no", "not an intact safetensors file"),
        ("a.onnx", b"", "not a kind of file that holds a mapping"),
        ("a.txt", b"500", "no token id within 0..99"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    content = content() if callable(content) else content  # torch is imported by then
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=message):
        import_mapping(path, SIZE)


def test_bad_folders_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="There is no mapping at"):
        import_mapping(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no mapping: no manifest"):
        import_mapping(tmp_path, SIZE)
    safetensors_torch.save_file(
        {"a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "full.safetensors"
    )
    with pytest.raises(InputError, match="no d2t among its 2 tensors"):
        import_mapping(tmp_path / "full.safetensors", SIZE)


# --- side by side --------------------------------------------------------------------------------


def test_comparison_by_hand(make_counts):
    sets = [make_counts([50, 30, 10, 6, 4]), make_counts([0, 0, 0, 1, 1])]
    ours, theirs = (DraftVocabulary(np.array(ids), 5) for ids in ([0, 1, 2], [0, 3, 4]))
    draft = DraftArchitecture("tiny", 8, 8, 2, 1, 4, 5)
    rows = compare([("ours", ours), ("theirs", theirs)], sets, draft, 0.5, reference=ours)
    assert [c.coverage for c in rows[1].coverages] == [0.6, 1.0]
    assert rows[1].best == 0.9
    assert rows[1].gained.tolist() == [3, 4]  # by frequency
    assert rows[1].lost.tolist() == [1, 2]
    assert (rows[1].gained_share, rows[1].lost_share) == (pytest.approx(0.1), pytest.approx(0.4))
    assert rows[1].utility == pytest.approx(0.3 + 0.5 * draft.latency_reduction(3))
    assert len(rows[0].gained) == len(rows[0].lost) == 0
    alone = compare([("theirs", theirs)], sets)[0]
    assert alone.lost.tolist() == [1, 2]  # against the three most frequent
    assert alone.utility is None
    with pytest.raises(InputError, match="at least one vocabulary"):
        compare([], sets)
    with pytest.raises(InputError, match="V = 5"):
        compare([("other", KEPT)], sets)


def test_transfer_matrix_by_hand(make_counts):
    sets = [make_counts([6, 3, 1, 0]), make_counts([0, 1, 1, 8])]
    matrix = transfer_matrix(sets, 2)
    assert np.allclose(matrix.coverage, [[0.9, 0.1], [0.3, 0.9]])
    assert np.allclose(matrix.unique, [[2 / 3, 1 / 3], [1 / 3, 2 / 3]])
    assert matrix.basis == (("in sample", ""), ("", "in sample"))
    matrix = transfer_matrix([*sets, sets[0]], 2, [0.7, None, 0.7])  # one of them given twice
    assert np.allclose(matrix.coverage, [[0.7, 0.1, 0.7], [0.3, 0.9, 0.3], [0.7, 0.1, 0.7]])
    out, inside = "held out", "in sample"
    assert matrix.basis == ((out, "", out), ("", inside, ""), (out, "", out))
    with pytest.raises(InputError, match="counted differently"):
        transfer_matrix([sets[0], make_counts([1, 1, 1, 1], rule="all")], 2)
