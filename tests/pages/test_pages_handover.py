"""Hand over and Present through AppTest: report, files, link, choice.json, trimmed drafts."""

# ruff: noqa: F811
from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode

import numpy as np
import pytest
from helpers.model_folders import V, write_draft, write_target
from helpers.talks import zipf
from test_pages import best, counted, errors, home, opened, started, words  # noqa: F401

from vocabtrim_core import workspace
from vocabtrim_core.counting.response_files import keep_responses
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import list_counts, save_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.fields.codec import to_session
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.generalization.intervals import coverage_interval
from vocabtrim_core.report import pdf
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec.settings import OwnTokens, Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run, save
from vocabtrim_core.vocabulary import DraftVocabulary

SHAPE = PRESETS["llama-3.1-8b"]


@pytest.fixture
def other(counted) -> TokenCounts:
    """The narrow set that stands beside the broad one."""
    return next(s.counts for s in list_counts() if s.key != counted.key)


def upload(app, choice: SelectionSpec | bytes):
    """The app after this choice.json was opened."""
    content = choice if isinstance(choice, bytes) else choice.dumps().encode()
    app.file_uploader(key="choice_file").upload("choice.json", content, "application/json")
    return app.run()


def view(app) -> dict:
    """The settings in view."""
    kept = to_session(app.session_state["settings"])
    return {name: kept[name] for name in ("alpha", "floor", "k", "draft", "kmin", "kmax")}


def stage(app) -> dict:
    """What Present's large type says."""
    found: dict = {}
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json)
        found |= {name: data[name] for name in ("hero", "elsewhere", "options") if name in data}
    return found


def linked(app) -> str:
    """The link that the page gives."""
    return next(code.value for code in app.code if "present?choice=" in code.value)


# ---------------------------------------------------------------- report and files


def test_the_page_tells_the_choice_and_covers_elsewhere(counted, other):
    app = opened("handover", counts=counted.key)
    assert not app.exception
    assert not app.error
    k = best(counted).k
    assert f"{k:,} tokens" in [metric.value for metric in app.metric]
    kept = CoverageCurve.of(counted).vocabulary(k).t2d
    share = other.counts[kept].sum() / other.tokens
    assert f"{share:.1%}" in words(app)
    app.multiselect(key=f"measured_on_{counted.key}").set_value([]).run()
    assert "0 other sets" in words(app)


def test_pins_and_note_go_into_the_choice(counted):
    app = opened("explore", counts=counted.key, k="777")
    app.button(key="pin").click().run()
    app.number_input(key="k").set_value(5_000).run()
    app.switch_page("pages/handover.py").run()
    app.text_area(key="note").set_value("for the pilot").run()
    assert "1 pinned size," in words(app)
    link = dict(parse_qsl(unquote(linked(app).partition("choice=")[2])))
    assert (link["k"], link["note"]) == ("5000", "for the pilot")
    assert json.loads(link["pins"])[0][6] == 777
    app.toggle(key="with_pins").set_value(False).run()
    assert "0 pinned sizes" in words(app)


def test_downloads_are_what_the_library_makes(counted, other):
    from pages.ui.handover.files_view import packed
    from vocabtrim_core.report.charts import figures
    from vocabtrim_core.report.data import report_data
    from vocabtrim_core.report.inputs import ReportInputs

    facts = report_data(
        ReportInputs(counted, SelectionSpec.make(counted, Settings(SHAPE)), [other])
    )
    content = packed(figures(facts), "svg", "figures-1")
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert set(names) == {f"figures-1/{name}.svg" for name in figures(facts)}


def test_a_pdf_is_printed_in_the_background(counted, started, monkeypatch):
    monkeypatch.setattr(pdf, "chromium", lambda: "/usr/bin/chromium")
    app = opened("handover", counts=counted.key)
    app.text_input(key="report_title").set_value("--help <b>").run()
    app.button(key="print").click().run()
    argv = started[-1]
    assert argv[:3] == ["report", counted.key, "--choice"]
    assert SelectionSpec.load(argv[3]).k == best(counted).k
    assert "--title=--help <b>" in argv
    assert "--pdf" in argv
    assert argv[-1] == "--png"
    for flag in ("--out", "--figures"):
        assert Path(argv[argv.index(flag) + 1]).is_relative_to(workspace.home() / "reports")
    monkeypatch.setattr(pdf, "chromium", lambda: None)
    assert "needs Chromium" in words(app.run())


def test_the_forecast_page_assumes_for_the_report_too(counted):
    app = opened("handover", counts=counted.key)
    assert f"On {HARDWARE['a100-80g'].name}, depth 3, acceptance length 2.89" in words(app)
    assert "Forecast throughput" in words(app)
    app.switch_page("pages/forecast.py").run()
    app.slider(key="depth").set_value(5).run()
    app.selectbox(key="hardware").set_value("h200").run()
    app.switch_page("pages/handover.py").run()
    assert not app.exception
    assert f"On {HARDWARE['h200'].name}, depth 5" in words(app)
    choice = json.loads(dict(parse_qsl(app.query_params["choice"]))["forecast"])
    assert (choice["depth"], choice["hardware"]) == (5, "h200")
    shown = " ".join(code.value for code in app.code)
    assert "--depth 5 --hardware h200" in shown
    app.toggle(key="with_forecast").set_value(False).run()
    assert "neither measured nor forecast" in words(app)
    assert "forecast" not in dict(parse_qsl(app.query_params["choice"]))


def test_assumptions_of_another_target_are_left_out(counted):
    """Measured at k above this V, so they are of another model: said, and no error."""
    app = opened("handover", counts=counted.key)
    size = counted.vocab_size + 1
    app.session_state["forecast_settings"] = ForecastSettings(2.5, 3, ((size, 2.5),))
    app.run()
    assert not app.exception
    assert not app.error
    assert "No forecast: k = 128,257 is outside 1..128,256" in re.sub(r"\\(.)", r"\1", words(app))
    assert "neither measured nor forecast" in words(app)


def test_measurements_of_this_size_enter_the_report(counted):
    k, size = best(counted).k, counted.vocab_size
    runs = [
        Run(label, 1, i, throughput=speed + i, acceptance_length=2.5)
        for label, speed in (("ours", 104.0), ("full", 100.0))
        for i in range(3)
    ]
    sizes = (Configuration("ours", k, "d"), Configuration("full", size, "d"))
    save(Measurement("MT-Bench", "tiny", "SGLang", sizes, tuple(runs), size))
    save(Measurement("GSM8K", "tiny", "SGLang", sizes, tuple(runs), size + 1))
    app = opened("handover", counts=counted.key)
    assert not app.exception
    assert len(app.multiselect(key="report_measurements").value) == 1
    assert "Measured throughput changes by +4.0" in words(app)
    assert any("--measurement" in code.value for code in app.code)
    app.multiselect(key="report_measurements").set_value([]).run()
    assert "it has not been measured" in words(app)


def test_an_own_vocabulary_is_handed_over_as_it_is(counted):
    """Grown, tailored and imported tokens get report, card, choice.json and link."""
    app = opened("handover", counts=counted.key)
    rare = CoverageCurve.of(counted).order[-3:].tolist()
    app.session_state["own_tokens"] = {counted.provenance.tokenizer_sha256[:16]: tuple(rare)}
    app.session_state["kind_in_view"] = "grown"
    app.run()
    assert not app.exception
    k = best(counted).k + 3
    assert f"{k:,} tokens" in [metric.value for metric in app.metric]
    assert "3 added by hand" in words(app)
    link = dict(parse_qsl(app.query_params["choice"]))
    assert link["own"] == "true"
    assert any("--vocabulary" in code.value and "/vocabularies/" in code.value for code in app.code)
    again = opened("present", choice=urlencode(link))
    assert not again.error
    assert stage(again)["hero"]["headline"][1] == f"{k:,}"
    assert stage(again)["hero"]["numbers"][0]["text"].startswith("your own tokens")
    app = opened("export", counts=counted.key)
    app.session_state["own_tokens"] = {counted.provenance.tokenizer_sha256[:16]: tuple(rare)}
    app.session_state["kind_in_view"] = "grown"
    app.run()
    shown = [code.value for code in app.code if "vocabtrim_core" in code.value]
    assert any(" select " in line for line in shown)
    assert any(" export " in line and " --vocabulary " in line for line in shown)


def test_a_choice_with_its_own_tokens_reopens(counted):
    vocabulary = DraftVocabulary.of(range(100, 150), counted.vocab_size)
    own = OwnTokens.of(vocabulary, "imported from a friend")
    saved = SelectionSpec.make(counted, Settings(SHAPE, 0.7), own=own)
    app = upload(opened("handover", counts=counted.key), saved)
    assert not app.error
    assert "50 tokens" in [metric.value for metric in app.metric]
    assert "imported from a friend" in words(app)
    assert dict(parse_qsl(app.query_params["choice"]))["ids"] == vocabulary.sha256[:16]
    app.selectbox(key="vocabulary_kind").set_value("choice").run()
    assert "own" not in dict(parse_qsl(app.query_params["choice"]))


# ---------------------------------------------------------------- choice.json and links


def test_a_choice_reopens_exactly(counted):
    settings = Settings(PRESETS["llama-3.2-1b"], 0.61, 0.937, None, 20, 90_000)
    app = upload(opened("handover"), SelectionSpec.make(counted, settings, note="mine"))
    assert not app.exception
    assert "the same tokens as when saved" in app.success[0].value
    assert view(app) == {
        "alpha": 0.61,
        "floor": 93.7,
        "k": None,
        "draft": "llama-3.2-1b",
        "kmin": 20,
        "kmax": 90_000,
    }
    assert app.session_state["counts_key"] == counted.key
    assert app.text_area(key="note").value == "mine"
    app.switch_page("pages/explore.py").run()
    assert (app.slider(key="alpha").value, app.slider(key="floor").value) == (0.61, 93.7)
    assert app.selectbox(key="draft").value == "llama-3.2-1b"


def test_own_shapes_and_rules_reopen(counted):
    shape = replace(SHAPE, name="ours", hidden_size=1024, fusion_per_step=False)
    rules = Rules(protected=frozenset({5, 6}), multiple=64)
    saved = SelectionSpec.make(counted, Settings(shape, 0.5, k=1000), rules=rules)
    app = upload(opened("handover"), saved)
    assert f"{saved.k:,} tokens" in [metric.value for metric in app.metric]
    assert "2 protected tokens, sizes in multiples of 64" in words(app)
    assert view(app)["draft"].startswith("config-")
    app.button(key="forget").click().run()
    assert "1,000 tokens" in [metric.value for metric in app.metric]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tokenizer_sha256": "9" * 64}, "was made with tokenizer"),
        ({"rule": "content"}, "was made with rule content"),
        ({"tokens": 5}, "choose again"),
        ({"name": "elsewhere"}, "not in this workspace"),
    ],
)
def test_stale_choices_are_one_sentence(counted, change, said):
    saved = SelectionSpec.make(counted, Settings(SHAPE, 0.9))
    app = opened("handover", counts=counted.key)
    stale = replace(saved, counts=replace(saved.counts, key="0" * 16, **change))
    app = upload(app, stale)
    assert not app.exception
    assert said in errors(app)
    assert f"{best(counted).k:,} tokens" in [metric.value for metric in app.metric]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b'{"format":"vocabtrim-choice-1"}'])
def test_other_files_are_no_choices(counted, content):
    app = upload(opened("handover"), content)
    assert not app.exception
    assert len(app.error) == 1


def test_an_edited_choice_is_refused(counted):
    saved = SelectionSpec.make(counted, Settings(SHAPE))
    app = upload(opened("handover"), replace(saved, vocabulary_sha256="0" * 64))
    assert "it was edited" in errors(app)


# ---------------------------------------------------------------- present


def test_present_shows_the_choice_without_controls(counted, other):
    app = opened("explore", counts=counted.key, k="4380")
    app.switch_page("pages/present.py").run()
    assert not app.exception
    shown = stage(app)
    assert "".join(shown["hero"]["headline"]) == "Keep 4,380 of 128,256 tokens"
    assert [n["kind"] for n in shown["hero"]["numbers"]] == [
        "plain",
        "measured",
        "estimated",
        "estimated",
        "estimated",
    ]
    assert [row["name"] for row in shown["elsewhere"]["rows"]] == ["broad", "narrow"]
    assert [row["chosen"] for row in shown["options"]["rows"]].count(True) == 1
    assert not app.slider
    assert [button.label for button in app.button] == ["Exit"]
    app.button(key="leave").click().run()
    assert app.title[0].value == "Hand over"


def test_intervals_come_from_responses_at_hand(small):
    conversations, length = 40, 50
    ids = (np.random.default_rng(0).zipf(1.3, conversations * length) % V).astype(np.uint32)
    seen = TokenCounts(np.bincount(ids, minlength=V), conversations, 0, small.provenance)
    save_counts(seen)
    one_each = np.arange(conversations)
    responses = Responses(
        ids,
        np.arange(conversations + 1) * length,
        one_each,
        np.full(conversations, -1, np.int16),
        (),
        V,
    )
    keep_responses(seen.key, responses)
    app = opened("present", counts=small.key, k="60")
    kept = CoverageCurve.of(small).vocabulary(60).t2d
    expected = coverage_interval(responses, kept)
    told = stage(app)["elsewhere"]["rows"][1]["span"]
    assert told == f"2,000 tokens, 95% interval {expected.low:.1%} to {expected.high:.1%}"


@pytest.mark.parametrize("page", ["present", "handover"])
def test_a_link_opens_the_same_choice(counted, page):
    saved = SelectionSpec.make(counted, Settings(SHAPE, 0.7, 0.5, 9_999), note="n")
    app = opened(page, choice=urlencode(saved.query() | {"on": ""}))
    assert not app.exception
    assert not app.error
    assert (view(app)["k"], view(app)["alpha"], view(app)["floor"]) == (9_999, 0.7, 50.0)
    again = dict(parse_qsl(app.query_params["choice"]))
    assert again["ids"] == saved.vocabulary_sha256[:16]
    if page == "present":
        assert stage(app)["hero"]["headline"][1] == "9,999"
        assert stage(app)["elsewhere"] is None


def test_a_link_as_the_command_line_prints_it(counted):
    saved = SelectionSpec.make(counted, Settings(SHAPE, 0.7, k=321))
    app = opened("present", **saved.query())
    assert stage(app)["hero"]["headline"][1] == "321"


@pytest.mark.parametrize("page", ["present", "handover"])
def test_links_to_nothing_are_one_sentence(counted, page):
    link = SelectionSpec.make(counted, Settings(SHAPE)).query()
    app = opened(page, choice=urlencode(link | {"counts": "f" * 16}))
    assert not app.exception
    assert "not in this workspace" in errors(app)
    app = opened(page, choice=urlencode(link | {"ids": "0" * 16}))
    assert "names other tokens" in errors(app)


def test_a_short_link_opens_the_same_choice(counted, other):
    """It names the choice that the workspace keeps; the long one beside it carries everything."""
    app = opened("explore", counts=counted.key, k="777")
    app.button(key="pin").click().run()
    app.number_input(key="k").set_value(5_000).run()
    app.switch_page("pages/handover.py").run()
    app.text_area(key="note").set_value("for the pilot").run()
    short = next(code.value for code in app.code if "present?spec=" in code.value)
    digest = short.rpartition("=")[2]
    kept = json.loads((workspace.home() / "choices" / f"{digest}.json").read_text("utf-8"))
    assert (kept["settings"]["k"], kept["note"], kept["on"]) == (
        5_000,
        "for the pilot",
        [other.key],
    )
    again = opened("present", spec=digest)
    assert not again.error
    assert stage(again)["hero"]["headline"][1] == "5,000"
    assert [row["name"] for row in stage(again)["elsewhere"]["rows"]] == ["broad", "narrow"]
    assert "spec" not in again.query_params
    long = dict(parse_qsl(unquote(linked(app).partition("choice=")[2])))
    assert dict(parse_qsl(again.query_params["choice"])) == long
    gone = opened("present", spec="0" * 16)
    assert not gone.exception
    assert "is not in this workspace; open the long form" in errors(gone)


# ---------------------------------------------------------------- trim a draft


@pytest.fixture
def small(home) -> TokenCounts:
    """Counts over the V of the small drafts."""
    made = zipf("traffic", 1.1, V)
    counts = np.sort(made.counts)[::-1][:V].copy()
    made = TokenCounts(counts, 10, 0, made.provenance)
    save_counts(made)
    return made


def trimming(counts, **fields):
    """The section with its fields filled."""
    app = opened("handover", counts=counts.key, k="60", give="Trim a draft you have")
    for key, value in fields.items():
        app.text_input(key=key).set_value(str(value))
    return app.run()


def test_a_draft_is_checked_and_trimmed(small, started, tmp_path):
    draft = write_draft(tmp_path / "models" / "draft")
    app = trimming(small, trim_draft=draft)
    assert not app.exception
    assert not app.error
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Head rows"] == "60"
    assert values["Coverage"] == f"{CoverageCurve.of(small).at(60):.1%}"
    app.number_input(key="trim_length").set_value(2.5).run()
    assert "Expected acceptance length" in words(app)
    app.button(key="trim").click().run()
    argv = started[-1]
    assert argv[:2] == ["slice", str(draft)]
    out = Path(argv[-1])
    assert out.is_relative_to(workspace.home() / "trimmed")
    from vocabtrim_core.cli import main

    assert main(argv) == 0
    app.run()
    assert str(out) in [code.value for code in app.code]
    assert {tab.label for tab in app.tabs} >= {"vLLM (EAGLE-3)", "llama.cpp (EAGLE-3)"}
    assert app.button(key="trim").disabled
    shutil.rmtree(out)


def test_drafts_that_cannot_be_trimmed(small, tmp_path):
    assert "Name the folder" in trimming(small).info[0].value
    assert errors(trimming(small, trim_draft="/nowhere"))
    reduced = write_draft(tmp_path / "reduced", [3, 7, 490])
    app = trimming(small, trim_draft=reduced)
    assert "reduced to 3 tokens before" in errors(app)
    app.toggle(key="trim_drop").set_value(True).run()
    assert not app.error
    assert any("have no row in this draft" in warning.value for warning in app.warning)
    target = write_target(tmp_path / "target")
    assert not trimming(small, trim_draft=reduced, trim_target=target).exception
