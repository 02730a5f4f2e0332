"""choice, report, card, slice, inspect and draft exports from the command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers.lazy import Lazy
from helpers.model_folders import (
    H,
    V,
    draft_config,
    draft_tensors,
    write_draft,
    write_model,
    write_target,
)

from vocabtrim_core.cli import COMMANDS, main
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel, order_free_ceiling
from vocabtrim_core.generalization.intervals import coverage_interval
from vocabtrim_core.report import pdf
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run, save
from vocabtrim_core.serving.statistics import compare

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")

OURS = ("choice", "report", "card", "slice", "inspect")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A fresh workspace and working directory."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def counts(tmp_path, make_counts) -> TokenCounts:
    drawn = np.random.default_rng(0).zipf(1.3, 20_000) % V
    made = make_counts(np.bincount(drawn, minlength=V))
    made.save(tmp_path / "counts.npz")
    return made


@pytest.fixture
def other(tmp_path, make_counts) -> TokenCounts:
    made = make_counts(np.roll(np.bincount(np.arange(3000) % 90, minlength=V), 20))
    made.save(tmp_path / "other.npz")
    return made


@pytest.fixture
def draft(tmp_path):
    return write_draft(tmp_path / "full-draft")


@pytest.fixture
def shapes(tmp_path):
    """A --draft-config for V = 500."""
    (tmp_path / "shapes.json").write_text(json.dumps(draft_config(None)))
    return "--draft-config", "shapes.json"


def shown(capsys, *argv) -> str:
    """What people read on stdout."""
    assert main([*map(str, argv)]) == 0
    return capsys.readouterr().out


# ---------------------------------------------------------------- choice


def test_a_choice_is_saved_and_shown(ok, counts, shapes, capsys):
    saved = ok(
        "choice",
        "save",
        "counts.npz",
        *shapes,
        "--alpha",
        ".6",
        "--pin",
        40,
        "--note",
        "pilot",
        "--accept-length",
        "2.5",
        "--out",
        "choice.json",
    )
    best = ok("optimize", "counts.npz", *shapes, "--alpha", ".6")
    assert saved["k"] == best["k"]
    assert saved["utility"] == pytest.approx(best["utility"])
    choice = SelectionSpec.load("choice.json")
    assert choice.pins[0].settings.k == 40
    assert choice.forecast.full_length == 2.5
    shown_ = ok("choice", "show", "choice.json", "--counts", "counts.npz")
    assert {**shown_, "out": "choice.json"} == saved
    assert shown_["query"]["counts"] == counts.key
    assert "pilot" in shown(capsys, "choice", "show", "choice.json", "--counts", "counts.npz")


def test_protected_and_excluded_ids(ok, counts, shapes, tmp_path):
    (tmp_path / "keep.txt").write_text("499\n498\n")
    (tmp_path / "drop.json").write_text("[1, 2]")
    ok(
        "choice",
        "save",
        "counts.npz",
        *shapes,
        "--k",
        20,
        "--protect",
        "keep.txt",
        "--exclude",
        "drop.json",
        "--multiple",
        16,
        "--out",
        "choice.json",
    )
    ids = SelectionSpec.load("choice.json").open(counts).vocabulary.ids.tolist()
    assert len(ids) == 32
    assert {498, 499} <= set(ids)
    assert not {1, 2} & set(ids)


def test_stale_choices_are_refused(ok, refused, counts, other, shapes, tmp_path, make_counts):
    ok("choice", "save", "counts.npz", *shapes, "--out", "choice.json")
    assert "choose again" in refused("choice", "show", "choice.json", "--counts", "other.npz")
    make_counts(counts.counts, tokenizer_sha256="x").save(tmp_path / "foreign.npz")
    said = refused("report", "foreign.npz", "--choice", "choice.json", "--out", "r.html")
    assert "made with tokenizer tiny (t)" in said
    assert not (tmp_path / "r.html").exists()
    said = refused("report", "counts.npz", "--choice", "choice.json", "--k", 5, "--out", "r.html")
    assert "already settles --k" in said
    assert "no counts at" in refused("choice", "show", "choice.json")
    assert "needs --out" in refused("choice", "save", "counts.npz")
    assert "not a readable choice" in refused("choice", "show", "gone.json")


# ---------------------------------------------------------------- report, card


def test_a_report_with_tables_and_figures(ok, counts, other, shapes, tmp_path):
    ok(
        "choice",
        "save",
        "counts.npz",
        *shapes,
        "--k",
        60,
        "--accept-length",
        "2.5",
        "--measured",
        "60=0.010",
        "500=0.012",
        "--out",
        "choice.json",
    )
    result = ok(
        "report",
        "counts.npz",
        "--choice",
        "choice.json",
        "--on",
        "other.npz",
        "--out",
        "report.html",
        "--figures",
        "figures",
        "--tables",
        "tables",
        "--title",
        "Pilot <1>",
        "--date",
        "today",
    )
    page = (tmp_path / "report.html").read_text("utf-8")
    assert result["bytes"] == len(page.encode())
    assert "Pilot &lt;1&gt;" in page
    assert result["k"] == 60
    assert result["coverage"] == CoverageCurve.of(counts).at(60)
    assert result["elsewhere"][0]["name"] == "corpus"
    low, high = result["throughput"]
    assert low <= high
    names = {p.name for p in (tmp_path / "figures").iterdir()}
    assert names == {
        "curve.svg",
        "frontier.svg",
        "breakdown.svg",
        "elsewhere.svg",
        "throughput.svg",
    }
    tables = ("sizes", "curve", "left_out", "elsewhere")
    assert {p.stem for p in (tmp_path / "tables").iterdir()} == set(tables)
    expected = {
        "report.html",
        *(f"figures/{n}" for n in names),
        *(f"tables/{n}.csv" for n in tables),
    }
    assert set(result["files"]) == expected


def test_responses_at_hand_give_intervals_and_a_tight_ceiling(ok, make_counts, shapes, tmp_path):
    """Counts alone bound a perfect draft loosely; the responses themselves say what it reaches."""
    conversations, length = 40, 50
    for name, seed in (("counts", 0), ("other", 1)):
        ids = (np.random.default_rng(seed).zipf(1.3, conversations * length) % V).astype(np.uint32)
        made = make_counts(np.bincount(ids, minlength=V))
        made.save(tmp_path / f"{name}.npz")
        one_each = np.arange(conversations)
        responses = Responses(
            ids,
            np.arange(conversations + 1) * length,
            one_each,
            np.full(conversations, -1, np.int16),
            (),
            V,
        )
        if name == "other":
            kept = CoverageCurve.of(TokenCounts.load("counts.npz")).vocabulary(60)
            expected = coverage_interval(responses, kept.t2d)
        responses.save(tmp_path / f"{name}.responses.npz")
    base = (
        "report",
        "counts.npz",
        *shapes,
        "--k",
        60,
        "--accept-length",
        "3.5",
        "--measured",
        "60=.01",
        "500=0.012",
        "--on",
        "other.npz",
    )
    result = ok(*base, "--out", "with.html")
    assert result["elsewhere"][0]["interval"] == [expected.low, expected.high]
    assert "corpus (held out)" in (tmp_path / "with.html").read_text()
    for path in tmp_path.glob("*.responses.npz"):
        path.unlink()
    without = ok(*base, "--out", "without.html")
    assert without["elsewhere"][0]["interval"] is None
    assert "corpus (in sample)" in (tmp_path / "without.html").read_text()
    assert "any order of its tokens" in (tmp_path / "without.html").read_text()


def test_a_report_covers_the_sets_that_the_choice_names(ok, counts, other, shapes, capsys):
    """Those of the workspace; what is not there is said, and --on names others instead."""
    save_counts(other)
    ok("choice", "save", "counts.npz", *shapes, "--on", other.key, "--out", "choice.json")
    choice = SelectionSpec.load("choice.json")
    assert choice.on == (other.key,)
    base = ("report", "counts.npz", "--choice", "choice.json", "--out", "r.html")
    kept = CoverageCurve.of(counts).vocabulary(choice.k).t2d
    expected = other.counts[kept].sum() / other.tokens
    assert [row["coverage"] for row in ok(*base)["elsewhere"]] == [pytest.approx(expected)]
    assert len(ok(*base, "--on", "counts.npz")["elsewhere"]) == 1
    replace(choice, on=(other.key, "0" * 16)).save("choice.json")
    assert main([*base]) == 0
    assert f"does not have them: the counts {'0' * 16}" in capsys.readouterr().err


@pytest.mark.skipif(pdf.chromium() is None, reason="needs Chromium or Chrome")
def test_a_report_as_pdf(ok, counts, shapes, tmp_path):
    result = ok("report", "counts.npz", *shapes, "--out", "report.html", "--pdf")
    assert result["files"] == ["report.html", "report.pdf"]
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_reports_that_cannot_be_made(
    refused, counts, other, shapes, tmp_path, monkeypatch, make_counts
):
    base = ("report", "counts.npz", *shapes)
    assert "must end in .html" in refused(*base, "--out", "report.pdf")
    assert "--png needs --figures" in refused(*base, "--png", "--out", "r.html")
    make_counts(counts.counts, rule="content").save(tmp_path / "content.npz")
    assert "rule is content" in refused(*base, "--on", "content.npz", "--out", "r.html")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/mine.txt").write_text("")
    assert "not empty" in refused(*base, "--out", "r.html", "--figures", "figures")
    assert "unreachable" in refused(*base, "--min-coverage", "1", "--k-max", 9, "--out", "r.html")
    assert "13264=2.65" in refused(*base, "--measured-length", "2.65", "--out", "r.html")
    monkeypatch.setattr(pdf, "NAMES", ())
    monkeypatch.delenv("CHROME", raising=False)
    assert "none was found" in refused(*base, "--pdf", "--out", "late.html")
    assert not (tmp_path / "late.html").exists()


def test_a_forecast_is_given_to_the_report_itself(ok, refused, counts, shapes, tmp_path):
    """It decides no tokens, so it may come with --choice, and replaces the choice's own."""
    ok("choice", "save", "counts.npz", *shapes, "--k", 60, "--out", "choice.json")
    base = ("report", "counts.npz", "--choice", "choice.json", "--out", "r.html")
    assert ok(*base)["throughput"] is None
    cycle = ("--measured", "60=.010", "500=.012")
    first = ok(*base, "--accept-length", 2.5, *cycle)["throughput"]
    assert first != ok(*base, "--accept-length", 1.5, *cycle)["throughput"]
    assert "--accept-length 1.5 --depth 3 --measured 60=0.01 500=0.012" in (
        tmp_path / "r.html"
    ).read_text("utf-8")
    assert "needs --accept-length" in refused(*base, *cycle)
    said = refused(*base, "--accept-length", 2.5, "--measured", "60:.010")
    assert "'60:.010' is not K=VALUE" in said


@pytest.mark.parametrize("kept", [True, False])
def test_a_report_forecasts_for_the_text_to_be_served(
    ok, refused, counts, other, shapes, make_counts, tmp_path, kept
):
    """The gain is that of `forecast --on` this text, whether it is a file or in the workspace."""
    if kept:
        save_counts(other)
    spec = other.key if kept else "other.npz"
    assumed = ("--accept-length", 2.5, "--measured", "60=.010", "500=.012")
    rows = ok("forecast", "counts.npz", *shapes, *assumed, "--served", spec, "--at", 60)["table"]
    (expected,) = [row["gains"][str(V)] for row in rows if row["k"] == 60]
    base = ("report", "counts.npz", *shapes, *assumed, "--k", 60, "--out", "r.html")
    ends = expected[::2]
    assert ok(*base, "--served", spec)["throughput"] == pytest.approx(ends)
    assert ok(*base)["throughput"] != pytest.approx(ends)
    make_counts(counts.counts, rule="content").save(tmp_path / "content.npz")
    assert "rule is content" in refused(*base, "--served", "content.npz")


def test_a_choice_keeps_the_text_to_be_served(ok, refused, counts, other, shapes):
    save_counts(other)
    assumed = ("--accept-length", 2.5, "--measured", "60=.010", "500=.012")
    sized = (*shapes, "--k", 60, *assumed, "--served", other.key)
    ok("choice", "save", "counts.npz", *sized, "--out", "choice.json")
    base = ("report", "counts.npz", "--choice", "choice.json", "--out", "r.html")
    asked = (*shapes, *assumed, "--served", other.key, "--at", 60)
    (row,) = [row for row in ok("forecast", "counts.npz", *asked)["table"] if row["k"] == 60]
    assert ok(*base)["throughput"] == pytest.approx(row["gains"][str(V)][::2])
    saved = SelectionSpec.load("choice.json")
    # Of several the one that gains least decides, named in any order.
    both = ok(*base, "--served", "counts.npz", other.key)["throughput"]
    alone = [ok(*base, "--served", spec)["throughput"] for spec in ("counts.npz", other.key)]
    assert both == ok(*base, "--served", other.key, "counts.npz")["throughput"]
    assert both == min(alone, key=sum)
    # A file of one key, as it once was.
    text = json.loads(saved.dumps())
    assert text["served"] == [other.key]
    assert SelectionSpec.loads(json.dumps({**text, "served": other.key})) == saved
    assert SelectionSpec.loads(json.dumps({**text, "served": ""})).served == ()
    replace(saved, served=("0" * 16,)).save("choice.json")
    assert "0" * 16 in refused(*base)


@pytest.fixture
def measurement(counts):
    """Drafts of 60 and all 500 tokens, and no draft, three runs each; 60 is 4 % faster than 500."""
    speeds = {"none": 50.0, "60": 104.0, "500": 100.0}
    lengths = {"none": None, "60": 2.4, "500": 2.5}
    runs = [
        Run(label, 1, i, throughput=speed + i, acceptance_length=lengths[label])
        for label, speed in speeds.items()
        for i in range(3)
    ]
    configurations = (
        Configuration("none"),
        Configuration("60", 60, "d60", 3),
        Configuration("500", V, "d500", 3),
    )
    return Measurement(
        "MT-Bench", "tiny", "SGLang 0.5", configurations, tuple(runs), V, device="a GPU"
    )


def test_measured_results_enter_the_report(ok, refused, counts, shapes, measurement, tmp_path):
    key = save(measurement).stem
    base = ("report", "counts.npz", *shapes, "--k", 60, "--out", "r.html")
    rows = ok(*base, "--measurement", key, "--tables", "tables")["measured"]
    assert [(row["k"], row["baseline"]) for row in rows] == [(60, "500"), (60, "no speculation")]
    expected = compare(measurement, "60", "500", 1).ratio
    assert rows[0]["gain"] == pytest.approx(expected.mean - 1)
    assert rows[0]["gain_low"] == pytest.approx(expected.low - 1)
    assert (rows[0]["length"], rows[0]["baseline_length"]) == (2.4, 2.5)
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "Measured throughput changes by +4.0" in page
    assert "SGLang 0.5, a GPU" in page
    assert "no speculation" in (tmp_path / "tables/measured.csv").read_text()
    single = replace(measurement, runs=measurement.runs[::3])
    rows = ok(*base, "--measurement", save(single))["measured"]
    assert rows[0]["gain_low"] is None
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "one run" in page
    other = replace(measurement, vocab_size=501)
    said = refused(*base, "--measurement", save(other))
    assert "V = 501, but the choice has V = 500" in said


def test_an_own_vocabulary_gets_report_and_card(
    ok, refused, counts, other, draft, shapes, tmp_path, make_counts
):
    """Tailored or imported tokens, which no size gives, are handed over like any choice."""
    ok(
        "select",
        "counts.npz",
        "other.npz",
        *shapes,
        "--weights",
        1,
        1,
        "--k",
        60,
        "--out",
        "ids.json",
    )
    ids = json.loads((tmp_path / "ids.json").read_text())["ids"]
    saved = ok(
        "choice", "save", "counts.npz", *shapes, "--vocabulary", "ids.json", "--out", "choice.json"
    )
    covered = float(counts.counts[ids].sum() / counts.tokens)
    assert saved["coverage"] == pytest.approx(covered)
    assert covered < CoverageCurve.of(counts).at(60)
    assert saved["own"] == "tailored to 50% corpus, 50% corpus"
    choice = SelectionSpec.load("choice.json")
    assert choice.open(counts).vocabulary.ids.tolist() == ids
    assert SelectionSpec.from_query(saved["query"], counts) == choice
    for source in (("--choice", "choice.json"), (*shapes, "--vocabulary", "ids.json")):
        result = ok(
            "report",
            "counts.npz",
            *source,
            "--on",
            "other.npz",
            "--accept-length",
            2.5,
            "--measured",
            "60=.010",
            "500=.012",
            "--out",
            "r.html",
        )
        assert result["coverage"] == pytest.approx(covered)
        page = (tmp_path / "r.html").read_text("utf-8")
        assert "not taken by frequency alone: tailored to 50% corpus" in page
        assert "as many, the most frequent" in page
        assert "taken to be accepted as often as the" in page
        assert "--vocabulary VOCABULARY" in page
    ok("slice", draft, "--vocabulary", "choice.json", "--counts", "counts.npz", "--out", "cut")
    ok("card", "counts.npz", "--choice", "choice.json", "--draft-folder", "cut", "--out", "c.md")
    assert "tailored to 50% corpus" in (tmp_path / "c.md").read_text("utf-8")
    ok("export", "counts.npz", "--choice", "choice.json", "--format", "ids", "--out", "out")
    assert json.loads((tmp_path / "out/ids/ids.json").read_text())["ids"] == ids
    said = refused(
        "choice",
        "save",
        "counts.npz",
        *shapes,
        "--vocabulary",
        "ids.json",
        "--k",
        5,
        "--out",
        "x.json",
    )
    assert "names the tokens, and --k would choose others" in said
    make_counts(counts.counts, tokenizer_sha256="x").save(tmp_path / "foreign.npz")
    for argv in (
        ("choice", "save", "foreign.npz", *shapes, "--out", "x.json"),
        ("report", "foreign.npz", *shapes, "--out", "x.html"),
        ("coverage", "foreign.npz"),
        ("export", "foreign.npz", "--format", "ids", "--out", "x"),
    ):
        assert "ids.json holds ids of the tokenizer" in refused(*argv, "--vocabulary", "ids.json")
    assert "ids.json holds ids" in refused("compare", "ids.json", "--counts", "foreign.npz")
    assert not list(tmp_path.glob("x*"))


def test_ids_out_of_order_are_not_exported(refused, counts, shapes, tmp_path):
    """Trainers cut the target's logits by t2d and index them by draft id: both must ascend."""
    ids = torch.tensor([9, 5, 300])
    kept = torch.zeros(V, dtype=torch.bool)
    kept[ids] = True
    torch.save({"d2t": ids - torch.arange(3), "t2d": kept}, tmp_path / "shuffled.pt")
    for argv in (
        ("export", "counts.npz", "--format", "specforge", "--out", "out"),
        ("report", "counts.npz", *shapes, "--out", "r.html"),
    ):
        said = refused(*argv, "--vocabulary", "shuffled.pt")
        assert "Ids do not ascend: draft id 0 maps to 9, draft id 1 to 5" in said
    assert not (tmp_path / "out").exists()


def test_a_card_for_a_trimmed_draft(ok, refused, counts, draft, shapes, tmp_path):
    ok("choice", "save", "counts.npz", *shapes, "--k", 60, "--out", "choice.json")
    ok("slice", draft, "--vocabulary", "choice.json", "--counts", "counts.npz", "--out", "cut")
    ok(
        "card",
        "counts.npz",
        "--choice",
        "choice.json",
        "--draft-folder",
        "cut",
        "--target",
        "org/model",
        "--licence",
        "mit",
        "--out",
        "README.md",
    )
    text = (tmp_path / "README.md").read_text("utf-8")
    assert "cut from full-draft without training" in text
    assert 'base_model: "org/model"' in text
    said = refused("card", "counts.npz", *shapes, "--k", 61, "--draft-folder", "cut", "--out", "x")
    assert "keeps 60 other tokens than the choice's 61" in said


# ---------------------------------------------------------------- slice, inspect


@pytest.mark.parametrize(
    "kind",
    ["choice.json", "exported", "exported/ids/ids.txt", "exported/specforge/vocab_mapping.pt"],
)
def test_slice_takes_any_vocabulary(ok, counts, draft, shapes, kind, tmp_path):
    ok("choice", "save", "counts.npz", *shapes, "--k", 60, "--out", "choice.json")
    ok(
        "export",
        "counts.npz",
        *shapes,
        "--k",
        60,
        "--format",
        "ids",
        "--format",
        "specforge",
        "--out",
        "exported",
    )
    result = ok(
        "slice",
        draft,
        "--vocabulary",
        kind,
        "--counts",
        "counts.npz",
        "--out",
        "cut",
        "--accept-length",
        "2.5",
    )
    ids = CoverageCurve.of(counts).vocabulary(60).ids
    tensors = safetensors_torch.load_file(tmp_path / "cut/model.safetensors")
    assert (tensors["d2t"] + torch.arange(60)).tolist() == ids.tolist()
    assert (result["k"], result["rows_before"]) == (60, V)
    coverage = CoverageCurve.of(counts).at(60)
    assert result["expected"]["coverage"] == coverage
    both = np.array([coverage, 1.0])
    model = AcceptanceModel(both, order_free_ceiling(both, 3), 3, 2.5, training="sliced")
    assert result["expected"]["length"] == [end[0] for end in model.interval()]
    inspected = ok("inspect", "cut")
    assert inspected["kind"] == "draft"
    assert (inspected["rows"], inspected["mapping"]) == (60, "d2t and t2d")
    assert inspected["vocabulary_sha256"] == result["vocabulary_sha256"]
    assert inspected["source"] == "full-draft"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--accept-length", 9), "within 1..4, but 9"),
        (("--accept-length", 3, "--hardware", "nope"), "no hardware 'nope'"),
        (("--accept-length", 3, "--context", -4), "context must be 0 or more"),
        (("--accept-length", 3, "--batch", 0), "batch must be 1 or more"),
        (("--accept-length", 3, "--position-acceptance", 0.8, 0.7), "is 3 shares"),
    ],
)
def test_a_choice_with_an_impossible_forecast_is_not_saved(refused, counts, shapes, options, said):
    assert said in refused("choice", "save", "counts.npz", *shapes, *options, "--out", "x.json")


def test_slice_reads_well(capsys, counts, draft, shapes):
    assert main(["choice", "save", "counts.npz", *shapes, "--k", "60", "--out", "choice.json"]) == 0
    text = shown(
        capsys,
        "slice",
        draft,
        "--vocabulary",
        "choice.json",
        "--counts",
        "counts.npz",
        "--accept-length",
        "2.5",
        "--out",
        "cut",
    )
    assert "logits of kept tokens are unchanged" in text
    assert "Acceptance length 2.5 is expected to become" in text
    assert "sound" in shown(capsys, "inspect", "cut")


def test_slice_refuses(ok, refused, counts, draft, shapes, tmp_path, make_counts):
    ok("export", "counts.npz", *shapes, "--k", 60, "--format", "ids", "--out", "exported")
    base = ("slice", draft, "--vocabulary", "exported", "--out", "cut")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/mine").write_text("")
    assert "not empty" in refused(*base)
    shutil.rmtree(tmp_path / "cut")
    make_counts(counts.counts, tokenizer_sha256="x").save(tmp_path / "foreign.npz")
    said = refused(*base, "--counts", "foreign.npz")
    assert "holds ids of the tokenizer tiny (t), but corpus was counted with tiny (x)" in said
    assert "--accept-length needs --counts" in refused(*base, "--accept-length", "2")
    assert "no mapping at" in refused("slice", draft, "--vocabulary", "gone", "--out", "cut")
    assert "no model folder" in refused("slice", "gone", "--vocabulary", "exported", "--out", "cut")
    absolute = {"d2t": torch.tensor([5, 9, 300]), "t2d": torch.zeros(V, dtype=torch.bool)}
    absolute["t2d"][absolute["d2t"]] = True
    torch.save(absolute, tmp_path / "wrong.pt")
    said = refused("slice", draft, "--vocabulary", "wrong.pt", "--out", "cut")
    assert "is not sound: d2t holds absolute token ids" in said
    (tmp_path / "big.json").write_text(json.dumps({"vocab_size": 512, "ids": [1, 2]}))
    said = refused("slice", draft, "--vocabulary", "big.json", "--out", "cut")
    assert "512" in said
    assert "500" in said
    assert not (tmp_path / "cut").exists()


def test_slice_with_the_targets_head_and_what_is_left(ok, refused, tmp_path):
    tensors = draft_tensors()
    del tensors["lm_head.weight"]
    write_model(tmp_path / "headless", tensors, draft_config(None))
    write_target(tmp_path / "target")
    (tmp_path / "ids.txt").write_text("3\n7\n")
    assert ok("inspect", "headless")["rows"] is None
    result = ok("slice", "headless", "--target", "target", "--vocabulary", "ids.txt", "--out", "a")
    assert result["head_from"] == "target"
    assert result["head_bytes"] == 2 * 2 * H
    (tmp_path / "more.txt").write_text("3\n8\n")
    said = refused("slice", "a", "--vocabulary", "more.txt", "--out", "b")
    assert "drop the others with --drop-missing" in said
    result = ok("slice", "a", "--vocabulary", "more.txt", "--drop-missing", "--out", "b")
    assert (result["k"], result["dropped"]) == (1, 1)


def test_inspect_finds_what_changed(ok, refused, counts, draft, shapes, tmp_path):
    (tmp_path / "ids.txt").write_text("3\n7\n")
    ok("slice", draft, "--vocabulary", "ids.txt", "--out", "cut")
    path = tmp_path / "cut/model.safetensors"
    tensors = safetensors_torch.load_file(path)
    safetensors_torch.save_file({**tensors, "norm.weight": tensors["norm.weight"] + 1}, path)
    assert "model.safetensors has changed since it was written" in refused("inspect", "cut")
    safetensors_torch.save_file({**tensors, "d2t": tensors["d2t"] + torch.arange(2)}, path)
    assert "absolute token ids" in refused("inspect", "cut")
    ok("export", "counts.npz", *shapes, "--k", 60, "--format", "ids", "--out", "exported")
    assert ok("inspect", "exported")["formats"] == ["ids"]
    (tmp_path / "exported/ids/ids.txt").write_text("1\n")
    assert "ids/ids.txt has changed" in refused("inspect", "exported")
    assert "no model folder" in refused("inspect", "gone")


# ---------------------------------------------------------------- export


def test_draft_formats_are_exported(ok, refused, counts, draft, shapes, tmp_path):
    base = ("export", "counts.npz", *shapes, "--k", 60, "--format", "vllm", "--format", "llama-cpp")
    assert "--draft-folder" in refused(*base, "--out", "out")
    result = ok(*base, "--draft-folder", draft, "--out", "out")
    assert {f["path"] for f in result["files"]} >= {"draft/config.json", "draft/model.safetensors"}
    assert result["formats"] == ["vllm", "llama-cpp"]
    assert "not trained again" in result["note"]
    assert ok("inspect", "out")["problems"] == []
    assert str(tmp_path) not in (tmp_path / "out/manifest.json").read_text()


def test_a_saved_choice_is_exported_exactly(ok, refused, counts, shapes, tmp_path):
    (tmp_path / "keep.txt").write_text("499\n")
    ok(
        "choice",
        "save",
        "counts.npz",
        *shapes,
        "--alpha",
        ".6",
        "--protect",
        "keep.txt",
        "--multiple",
        16,
        "--out",
        "choice.json",
    )
    saved = SelectionSpec.load("choice.json")
    base = ("export", "counts.npz", "--choice", "choice.json", "--format", "ids")
    result = ok(*base, "--out", "out")
    assert result["vocabulary_sha256"] == saved.vocabulary_sha256
    assert result["coverage"] == pytest.approx(saved.open(counts).choice.coverage)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["choice"]["method"] == "exact"
    assert manifest["choice"]["alpha"] == 0.6
    assert "--choice choice.json" in manifest["command"]
    assert "already settles --alpha" in refused(*base, "--alpha", ".5", "--out", "no")
    assert "not allowed with" in refused(*base, "--k", 5, "--out", "no")


def test_help_of_every_command(capsys):
    known = {command.name: command for command in COMMANDS}
    for name in OURS:
        assert known[name].example
        with pytest.raises(SystemExit):
            main([name, "--help"])
        assert name in capsys.readouterr().out
