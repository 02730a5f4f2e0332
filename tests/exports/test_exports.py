"""Exports: what is written, that it is the same twice, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vocabtrim_core import exports
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports import (
    FORMATS,
    ExportContext,
    Manifest,
    export,
    export_zip,
    inspect_export,
    verify,
    zip_bytes,
)
from vocabtrim_core.exports.bundle import exporters_named
from vocabtrim_core.exports.exporter import PROOFS
from vocabtrim_core.exports.overview import renewed
from vocabtrim_core.id_mapping import check_ids, offsets_to_ids
from vocabtrim_core.reproducible_files import load_arrays, load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary

PAGE = ROOT / "docs" / "exports.md"
SIZE = 1000
TINY = DraftArchitecture("tiny", 64, 128, 4, 2, 16, SIZE, max_position_embeddings=4096)
EXPECTED = {
    "eagle",
    "fr-spec",
    "ids",
    "llama-cpp-mtp",
    "modelopt",
    "mtp-ids",
    "mtp-ranges",
    "nemo",
    "npz",
    "sglang",
    "sglang-nextn",
    "specforge",
    "speculators",
}
OF_DRAFTS = {"llama-cpp", "sglang-eagle3", "tensorrt-llm", "vllm"}  # see test_draft_exports.py


@pytest.fixture
def counts(make_counts):
    """Counts over 1,000 ids with ties and 300 unseen ids."""
    values = np.random.default_rng(0).integers(1, 50, SIZE)
    values[np.random.default_rng(1).choice(SIZE, 300, replace=False)] = 0
    return make_counts(values)


@pytest.fixture
def context(counts):
    return ExportContext(counts, TINY, alpha=0.5, floor=0.1, method="exact")


@pytest.fixture
def vocabulary(counts):
    return CoverageCurve.of(counts).vocabulary(200)


def bytes_under(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


# ---------------------------------------------------------------- registry


def test_every_format_says_what_users_need():
    assert set(FORMATS) == EXPECTED | OF_DRAFTS
    assert list(FORMATS) == sorted(FORMATS)
    for name, exporter in FORMATS.items():
        assert exporter.name == name
        assert exporter.files
        texts = exporter.texts(13_264)
        assert all(texts.values())
        assert "<N>" not in "".join(texts.values())
        assert exporter.needs_draft == (name in OF_DRAFTS)
        for field in exporter.wants:
            assert hasattr(ExportContext(), field)


def test_the_docs_say_what_each_format_was_checked_with():
    """The table is the registry's; `formats --renew docs/exports.md` writes it."""
    text = PAGE.read_text("utf-8")
    assert renewed(text, FORMATS.values()) == text
    table = text.partition("<!-- formats -->")[2].partition("<!-- /formats -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(FORMATS)
    for row, form in zip(rows, FORMATS.values(), strict=True):
        assert form.checked in row
        assert f"| {form.served or ('no' if form.stage == 'serve' else '')} |" in row
        assert PROOFS[form.proof] in row
    changed = replace(FORMATS["eagle"], checked="Never.")
    assert renewed(text, [changed]) != text
    with pytest.raises(ValueError, match="lacks"):
        renewed("no marks", FORMATS.values())


def test_who_claims_the_consumers_own_code_has_a_test_of_it():
    """Each format that says so is named by a test that loads it."""
    tests = Path(__file__).parent
    text = "".join(
        (tests / name).read_text("utf-8")
        for name in ("test_export_consumers.py", "test_draft_exports.py")
    )
    for name, form in FORMATS.items():
        if form.proof.startswith("loaded"):
            assert f"def test_{name.partition('-')[0]}" in text, name
            assert form.consumer.split()[-1]
        elif form.proof == "documented":
            assert "documented format" in form.checked
            assert "not loaded" in form.checked


def test_a_new_consumer_is_one_new_module(tmp_path, monkeypatch, vocabulary):
    from vocabtrim_core.exports import formats

    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from vocabtrim_core.exports.formats.eagle import EXPORTER as EAGLE\n"
        "EXPORTER = replace(EAGLE, name='mine')\n"
    )
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    found = formats._discover()
    assert set(found) == EXPECTED | OF_DRAFTS | {"mine"}
    monkeypatch.setitem(FORMATS, "mine", found["mine"])
    export(vocabulary, ["mine"], tmp_path / "out")
    assert (tmp_path / "out/mine/cache.pt").is_file()


def test_importing_exports_loads_no_heavy_library():
    code = (
        "import sys, vocabtrim_core.exports;"
        "bad = {'torch', 'transformers', 'streamlit'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- content


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.integers(0, 299), min_size=1), st.integers(300, 320))
def test_every_format_reads_back_as_it_was_written(tmp_path_factory, ids, size):
    vocabulary = DraftVocabulary.of(ids, size)
    out = tmp_path_factory.mktemp("exports") / "out"
    export(vocabulary, sorted(EXPECTED), out)
    for name in EXPECTED:
        read = FORMATS[name].read(out / name, len(vocabulary))
        assert DraftVocabulary(np.sort(read), size) == vocabulary


def test_layouts_are_the_documented_ones(tmp_path, vocabulary, context):
    torch = pytest.importorskip("torch")
    export(vocabulary, sorted(EXPECTED), tmp_path / "out", context)
    k, out = len(vocabulary), tmp_path / "out"

    def load(path):
        return torch.load(out / path, weights_only=True)

    offsets = torch.tensor(vocabulary.ids) - torch.arange(k)
    for path in ("specforge/vocab_mapping.pt", "eagle/cache.pt"):
        pair = load(path)
        assert set(pair) == {"d2t", "t2d"}
        assert pair["d2t"].dtype == torch.int64
        assert torch.equal(pair["d2t"], offsets)
        assert pair["t2d"].dtype == torch.bool
        assert torch.equal(pair["t2d"].nonzero().flatten(), pair["d2t"] + torch.arange(k))
    assert torch.equal(load("modelopt/d2t.pt"), offsets)
    nemo = load("nemo/draft_token_map.pt")
    assert torch.equal(nemo["selected_token_ids"], torch.tensor(vocabulary.ids))
    assert nemo["target_vocab_size"] == SIZE
    for name in ("sglang", "fr-spec"):
        listed = load(f"{name}/freq_{k}.pt")
        assert isinstance(listed, list)
        assert sorted(listed) == vocabulary.ids.tolist()
        ranked = context.counts.counts[listed]
        assert (np.diff(ranked) <= 0).all()
        ties = np.diff(ranked) == 0
        assert (np.diff(listed)[ties] > 0).all()
    for name in ("d2t.npy", f"d2t-{k}.npy"):
        array = np.load(out / "speculators" / name, allow_pickle=False)
        assert array.dtype == np.int64
        assert array.tolist() == offsets.tolist()
    for name in ("t2d.npy", f"t2d-{k}.npy"):
        array = np.load(out / "speculators" / name, allow_pickle=False)
        assert array.dtype == bool
        assert np.flatnonzero(array).tolist() == vocabulary.ids.tolist()
    frequencies = load("speculators/token_freq.pt")
    assert frequencies == {i: int(c) for i, c in enumerate(context.counts.counts) if c}
    config = json.loads((out / "specforge/config.json").read_text())
    assert (config["draft_vocab_size"], config["vocab_size"]) == (k, SIZE)
    assert config["max_position_embeddings"] == TINY.max_position_embeddings
    plain = json.loads((out / "ids/ids.json").read_text())
    assert plain == {"vocab_size": SIZE, "ids": vocabulary.ids.tolist()}


def test_manifest_records_the_choice_and_every_file(tmp_path, vocabulary, context, counts):
    manifest = export(vocabulary, ["specforge", "ids"], tmp_path / "out", context)
    assert manifest == Manifest.load(tmp_path / "out")
    assert (manifest.k, manifest.vocab_size) == (200, SIZE)
    assert manifest.vocabulary_sha256 == vocabulary.sha256
    assert manifest.counts["key"] == counts.key
    assert manifest.tokenizer == {"name": "tiny", "sha256": "t"}
    assert manifest.counts["rule"] == "assistant"
    coverage = CoverageCurve.of(counts).at(200)
    reduction = TINY.latency_reduction(200)
    assert manifest.choice["coverage"] == pytest.approx(coverage)
    assert manifest.choice["latency_reduction"] == pytest.approx(reduction)
    assert manifest.choice["utility"] == pytest.approx((coverage + reduction) / 2)
    on_disk = bytes_under(tmp_path / "out")
    assert {f.path for f in manifest.files} == on_disk.keys() - {"manifest.json"}
    for file in manifest.files:
        assert file.bytes == len(on_disk[file.path])
        assert file.sha256 == hashlib.sha256(on_disk[file.path]).hexdigest()
    semantics = {f.format: f.semantics for f in manifest.files}
    assert semantics == {"specforge": "offset", "ids": "absolute", "": ""}


def test_readme_names_each_file_and_key(tmp_path, vocabulary, context):
    manifest = export(vocabulary, sorted(EXPECTED), tmp_path / "out", context)
    text = (tmp_path / "out/README.txt").read_text()
    for file in manifest.files:
        assert file.path in text or not file.format
    for words in (
        "vocab_mapping_path: specforge/vocab_mapping.pt",
        "draft_vocab_size: 200",
        "--speculative-token-map sglang/freq_200.pt",
        "--d2t-path speculators/d2t-200.npy",
        "selected_token_ids_path: nemo/",
        "draft_vocab_cache: modelopt/",
        "With EAGLE3 SGLang ignores",
    ):
        assert words in text


def test_what_is_left_out_is_said(tmp_path, vocabulary):
    manifest = export(vocabulary, ["specforge", "speculators", "sglang"], tmp_path / "out")
    assert not (tmp_path / "out/specforge/config.json").exists()
    assert not (tmp_path / "out/speculators/token_freq.pt").exists()
    notes = " ".join(manifest.notes)
    assert "config.json and run.yaml are left out" in notes
    assert "token_freq.pt is left out" in notes
    assert "ascend instead" in notes
    assert {f["order"] for f in manifest.formats} == {"ascending"}
    assert manifest.notes[0].split()[0] in (tmp_path / "out/README.txt").read_text()


def test_padding_ids_are_said(tmp_path, counts, context):
    vocabulary = CoverageCurve.of(counts).vocabulary(750)
    manifest = export(vocabulary, ["ids"], tmp_path / "out", context)
    assert any(note.startswith("50 of the 750 tokens never occur") for note in manifest.notes)
    assert manifest.choice["coverage"] == 1.0


def test_full_vocabulary_is_the_identity(tmp_path):
    full = DraftVocabulary(np.arange(50), 50)
    export(full, sorted(EXPECTED), tmp_path / "out")
    pair = load_torch(tmp_path / "out/specforge/vocab_mapping.pt")
    assert not pair["d2t"].any()
    assert pair["t2d"].all()


# ---------------------------------------------------------------- same input, same bytes


def test_same_input_same_bytes(tmp_path, vocabulary, context):
    export(vocabulary, sorted(EXPECTED), tmp_path / "first", context)
    export(vocabulary, sorted(EXPECTED), tmp_path / "elsewhere/second", context)
    assert bytes_under(tmp_path / "first") == bytes_under(tmp_path / "elsewhere/second")
    assert zip_bytes(tmp_path / "first", "x") == zip_bytes(tmp_path / "elsewhere/second", "x")


def test_same_bytes_from_another_process(vocabulary):
    code = (
        "import hashlib, sys, numpy as np\n"
        "from vocabtrim_core.exports import export_zip\n"
        "from vocabtrim_core.vocabulary import DraftVocabulary\n"
        "ids = np.array(sys.argv[1].split(','), np.int64)\n"
        "data, _ = export_zip(DraftVocabulary(ids, 1000), sys.argv[2].split(','))\n"
        "print(hashlib.sha256(data).hexdigest())\n"
    )
    ids = ",".join(map(str, vocabulary.ids))
    command = [sys.executable, "-c", code, ids, ",".join(sorted(EXPECTED))]
    other = subprocess.run(command, check=True, capture_output=True, text=True)
    data, _ = export_zip(vocabulary, sorted(EXPECTED))
    assert other.stdout.strip() == hashlib.sha256(data).hexdigest()


def test_time_is_recorded_only_when_given(tmp_path, vocabulary, context):
    export(vocabulary, ["ids"], tmp_path / "plain", context)
    assert "created" not in json.loads((tmp_path / "plain/manifest.json").read_text())
    dated = replace(context, created="2026-11-22T00:00:00Z")
    export(vocabulary, ["ids"], tmp_path / "dated", dated)
    assert Manifest.load(tmp_path / "dated").created == "2026-11-22T00:00:00Z"


def test_zip_holds_the_export_and_no_time(tmp_path, vocabulary, context):
    data, manifest = export_zip(vocabulary, ["specforge", "ids"], context)
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    assert {e.date_time for e in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert all(name.startswith("draft-vocabulary-200/") for name in archive.namelist())
    archive.extractall(tmp_path)
    assert verify(tmp_path / "draft-vocabulary-200") == manifest


# ---------------------------------------------------------------- refusals


def nothing_left(folder):
    return list(folder.iterdir()) == []


def test_unknown_or_no_format(tmp_path, vocabulary):
    with pytest.raises(InputError, match=r"'vLLM'; choose from: eagle, fr-spec"):
        export(vocabulary, ["ids", "vLLM"], tmp_path / "out")
    with pytest.raises(InputError, match="at least one"):
        export(vocabulary, [], tmp_path / "out")
    assert nothing_left(tmp_path)
    assert len(exporters_named(["ids", "ids"])) == 1


def test_never_overwrites(tmp_path, vocabulary):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        export(vocabulary, ["ids"], out)
    assert bytes_under(out) == {"mine.txt": b"keep"}
    with pytest.raises(InputError, match="is a file"):
        export(vocabulary, ["ids"], out / "mine.txt")
    (out / "mine.txt").unlink()
    export(vocabulary, ["ids"], out)
    assert verify(out)


def test_k_above_a_consumers_limit(tmp_path):
    full = DraftVocabulary(np.arange(151_936), 151_936)
    with pytest.raises(InputError, match=r"151,936 is above what SpecForge can use, 131,072"):
        export(full, ["ids", "specforge"], tmp_path / "out")
    assert nothing_left(tmp_path)
    export(DraftVocabulary(np.arange(131_072), 151_936), ["specforge"], tmp_path / "out")


def test_size_mismatch_names_both_numbers(tmp_path, vocabulary, context):
    llama = replace(context, architecture=PRESETS["llama-3.1-8b"])
    with pytest.raises(InputError, match=r"V = 1,000, .*llama-3.1-8b to V = 128,256"):
        export(vocabulary, ["ids"], tmp_path / "out", llama)
    other = DraftVocabulary(vocabulary.ids, 2000)
    with pytest.raises(InputError, match=r"V = 2,000, .*corpus to V = 1,000"):
        export(other, ["ids"], tmp_path / "out", replace(context, architecture=None))
    assert nothing_left(tmp_path)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, vocabulary):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(FORMATS, "npz", replace(FORMATS["npz"], write=fail))
    with pytest.raises(InputError, match="is full"):
        export(vocabulary, ["ids", "npz"], tmp_path / "out")
    assert nothing_left(tmp_path)


def test_a_format_that_writes_other_tokens_is_never_delivered(tmp_path, monkeypatch, vocabulary):
    def shifted(vocabulary, context, folder):
        return FORMATS["ids"].write(
            DraftVocabulary(vocabulary.ids[:-1], vocabulary.vocab_size), context, folder
        )

    monkeypatch.setitem(FORMATS, "bad", replace(FORMATS["ids"], name="bad", write=shifted))
    with pytest.raises(InputError, match="other tokens"):
        export(vocabulary, ["bad"], tmp_path / "out")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("d2t", "t2d", "message"),
    [
        (np.array([1, 3]), np.array([0, 1, 0, 1], bool), "absolute token ids, but offsets"),
        (np.array([1.0, 2.0]), None, "flat int64 array, not float64"),
        (np.array([1, 2], np.int32), None, "flat int64 array, not int32"),
        ([1, 2], None, "flat int64 array, not list"),
        (np.array([[1, 2]]), None, r"shape \(1, 2\)"),
        (np.array([1, 2]), np.array([0, 1, 0, 1]), "flat bool array"),
        (np.array([1, 2]), np.array([0, 1, 1, 1], bool), "marks 3 tokens"),
        (np.array([3, 0]), np.array([0, 1, 0, 1], bool), "ascending order"),
        (np.array([3, 2]), None, "token id 3 occurs more than once"),
        (np.array([-1, 2]), None, "outside 0"),
    ],
)
def test_bad_mappings_are_named(d2t, t2d, message):
    with pytest.raises(InputError, match=message):
        offsets_to_ids(d2t, t2d)


@pytest.mark.parametrize("ids", [None, [], [[1], [2, 3]], ["1"], [1.5], [2, 2], [-1], [10]])
def test_bad_id_lists_are_refused(ids):
    with pytest.raises(InputError):
        check_ids(ids, 10)


class Payload:
    """Something torch.load must never build."""


def test_pickles_other_than_plain_tensors_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "evil.pt"
    torch.save({"d2t": Payload()}, path)
    with pytest.raises(InputError, match="plain tensors"):
        load_torch(path)
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([Payload()], object))
    with pytest.raises(InputError, match="plain arrays"):
        load_arrays(objects)


@pytest.mark.parametrize("name", sorted(EXPECTED - {"ids", "mtp-ranges"}))
def test_damaged_files_give_one_sentence(tmp_path, vocabulary, name):
    export(vocabulary, [name], tmp_path / "out")
    first = next(p for p in sorted((tmp_path / "out" / name).iterdir()) if p.suffix != ".json")
    whole = first.read_bytes()
    for kept in (0, 1, len(whole) // 2, len(whole) - 1):
        first.write_bytes(whole[:kept])
        with pytest.raises(InputError):
            verify(tmp_path / "out")


def test_inspection_finds_every_problem(tmp_path, vocabulary, context):
    out = tmp_path / "out"
    export(vocabulary, ["ids", "modelopt", "npz"], out, context)
    assert inspect_export(out).problems == ()
    (out / "my notes.txt").write_text("not ours")
    assert verify(out)
    (out / "npz/draft_vocabulary.npz").unlink()
    other = DraftVocabulary.of({1, 2, 3}, SIZE)
    save_torch(out / "modelopt/d2t.pt", other.d2t)
    problems = inspect_export(out).problems
    assert "modelopt/d2t.pt has changed since it was exported." in problems
    assert "Model-Optimizer holds other tokens than the manifest names." in problems
    assert "npz/draft_vocabulary.npz is missing." in problems
    with pytest.raises(InputError, match=r"not intact: modelopt/d2t\.pt .*\(and 3 more"):
        verify(out)


def test_a_manifest_cannot_name_files_outside(tmp_path, vocabulary):
    out = tmp_path / "out"
    export(vocabulary, ["ids"], out)
    path = out / "manifest.json"
    path.write_text(path.read_text().replace("ids/ids.txt", "../../etc/passwd"))
    assert any("no file of this export" in p for p in inspect_export(out).problems)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "vocabtrim-export-1"}'])
def test_not_an_export(tmp_path, text):
    with pytest.raises(InputError, match=r"no manifest\.json"):
        verify(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        verify(tmp_path)


def test_public_names_are_documented():
    for name in exports.__all__:
        assert getattr(exports, name).__doc__ or name == "FORMATS"
