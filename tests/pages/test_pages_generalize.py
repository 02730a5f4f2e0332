"""Generalize and Forecast through AppTest, on sets with their responses."""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
import streamlit as st
from helpers import APP
from helpers.lazy import Lazy
from helpers.real_data import new_home
from helpers.talks import SIZE, talk

from pages.ui.own_vocabulary import OwnVocabulary
from vocabtrim_core import workspace
from vocabtrim_core.counting.response_files import find_responses
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import EARLIER_VERSION, TokenCounts
from vocabtrim_core.counts_store import remove_counts, save_counts
from vocabtrim_core.coverage import CoverageCurve, coverage_on
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.exports import ExportContext, export
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.decision import TrafficForecast, decide
from vocabtrim_core.forecast.decision_text import decision_text
from vocabtrim_core.forecast.inputs import acceptance_on, served_text
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.generalization.compare import transfer_matrix
from vocabtrim_core.generalization.held_out import held_out_coverage
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.mappings.imported import import_mapping
from vocabtrim_core.mappings.store import keep
from vocabtrim_core.selection.constrained import Problem, solve
from vocabtrim_core.selection.covering import covering_vocabulary
from vocabtrim_core.selection.protect import SETS
from vocabtrim_core.selection.selection import mix
from vocabtrim_core.selection_spec.settings import Mix, OwnTokens, Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary

testing = Lazy("streamlit.testing.v1")

LLAMA = PRESETS["llama-3.1-8b"]
ALPHA = 0.05  # so few tokens are counted that at 0.5 every one of them pays for itself


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A workspace with three comparable sets and one counted under another rule."""
    return new_home(tmp_path_factory.mktemp("generalize"))


@pytest.fixture(scope="module")
def made(home) -> dict[str, TokenCounts]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(home))
        sets = [talk("chat", 1.25, 1), talk("code", 1.35, 2), talk("calls", 1.7, 3)]
        talk("other", 1.3, 4, rule="content")
    return {counts.name: counts for counts in sets}


@pytest.fixture
def sets(home, made, monkeypatch) -> dict[str, TokenCounts]:
    monkeypatch.setenv("VOCABTRIM_HOME", str(home))
    return made


@pytest.fixture(autouse=True)
def started(monkeypatch) -> list[list[str]]:
    """What the pages start, instead of starting it."""
    asked: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda argv, title, **more: asked.append(list(argv)))
    return asked


def opened(
    page: str, sets: dict[str, TokenCounts], section: str = "Other traffic", state=(), **link
) -> testing.AppTest:
    """A page as after following a link, on the set `chat`; state: of the session so far."""
    app = testing.AppTest.from_file(str(APP), default_timeout=60)
    for name, value in {"counts": sets["chat"].key, "alpha": str(ALPHA), **link}.items():
        app.query_params[name] = value
    for name, value in {"section": section, **dict(state)}.items():
        app.session_state[name] = value
    app.run()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def words(app: testing.AppTest) -> str:
    kinds = (*app.markdown, *app.caption, *app.error, *app.warning, *app.success, *app.info)
    return "\n".join(element.value for element in kinds).replace("\\", "")


def component(app: testing.AppTest, holding: str) -> dict:
    """The data of the component that has this field."""
    found = [json.loads(e.proto.json) for e in app.get("bidi_component")]
    return next(data for data in found if holding in data)


def choice(sets: dict[str, TokenCounts]):
    tradeoff = TradeOff(CoverageCurve.of(sets["chat"]), LLAMA, ALPHA)
    return tradeoff.optimum.k, tradeoff


def test_other_traffic_is_measured_with_intervals(sets):
    app = opened("generalize", sets)
    k, tradeoff = choice(sets)
    table = app.dataframe[0].value
    assert set(table["Set"]) == {"chat", "code", "calls"}
    vocabulary = tradeoff.curve.vocabulary(k)
    for row in table.to_dict("records"):
        counts = sets[row["Set"]]
        found = coverage_on(vocabulary, counts)
        chose = row["Set"] == "chat"
        shown = row["In sample"] if chose else row["Coverage"]
        assert shown == pytest.approx(100 * found.coverage)
        assert np.isnan(row["In sample"]) != chose
        assert row["Missing"] == found.missing_tokens
        assert row["From"] < row["Coverage"] < row["To"]
        assert row["Unseen"] == pytest.approx(100 * new_tokens(counts))
    held_out = held_out_coverage(responses(sets["chat"]), k)
    ends = [100 * end for end in (held_out.value, held_out.low, held_out.high)]
    assert table.set_index("Set").loc["chat", ["Coverage", "From", "To"]].tolist() == ends
    said = words(app)
    assert f"The {k:,} tokens in view cover {held_out.value:.2%} ({held_out.low:.2%} to" in said
    inside = coverage_on(vocabulary, sets["chat"]).coverage
    assert f"and {inside:.2%} of the 60,000 tokens that chose them :red-badge[in sample]" in said
    assert "1 more counted set was counted differently from chat (rule);" in words(app)
    assert f"coverage {sets['chat'].key} --k {k}" in app.code[0].value


def responses(counts: TokenCounts) -> Responses:
    found = find_responses(counts.key, counts)
    assert found is not None
    return found


def new_tokens(counts: TokenCounts) -> float:
    """Share of the tokens of a conversation that stand in no other, by looking them all up."""
    kept = responses(counts)
    texts = [part.tolist() for part in np.split(kept.ids, kept.offsets[1:-1])]
    within = Counter(token for text in texts for token in set(text))
    return sum(within[token] == 1 for text in texts for token in text) / len(kept.ids)


# how the tokens in view came about, and the sets that had a part in it
CHOSE = {
    "tailored": ({"mix": ("chat", "code", "calls")}, {"chat", "calls"}),
    "opened": ({}, {"chat"}),
    "imported": ({"foreign": True}, set()),
    "imported, its own top k": ({"foreign": True}, {"chat"}),
}


@pytest.mark.parametrize("kind", CHOSE)
def test_coverage_of_what_chose_other_tokens_is_in_sample_without_an_interval(sets, kind):
    more, chose = CHOSE[kind]
    top = "top" in kind
    kind = kind.partition(",")[0]
    if "mix" in more:
        more = {"mix": Mix(tuple(sets[name].key for name in more["mix"]), (20, 0, 80))}
    chat = sets["chat"]
    ids = CoverageCurve.of(chat).order[:300] + (0 if top else 1)
    vocabulary = DraftVocabulary.of(ids.tolist(), SIZE)
    sha = chat.provenance.tokenizer_sha256
    own = OwnVocabulary("Own", "", chat.key, vocabulary, (), tokenizer_sha256=sha, **more)
    app = opened("generalize", sets, state={"own_vocabularies": {kind: own}, "kind_in_view": kind})
    for row in app.dataframe[0].value.to_dict("records"):
        covered = 100 * coverage_on(vocabulary, sets[row["Set"]]).coverage
        shown = [row[name] for name in ("Coverage", "From", "To")]
        if row["Set"] in chose:
            assert np.isnan(shown).all()
            assert row["In sample"] == pytest.approx(covered)
        else:
            assert shown[0] == pytest.approx(covered)
            assert shown[1] < shown[0] < shown[2]
    said = words(app)
    assert ("had a part in choosing the tokens" in said) == bool(chose)
    assert ("tokens of chat :red-badge[in sample]" in said) == ("chat" in chose)


def test_sets_whose_turns_end_elsewhere_are_not_measured_on(sets):
    counts = sets["code"]
    earlier = replace(counts, provenance=replace(counts.provenance, span_end=EARLIER_VERSION))
    save_counts(earlier)
    try:
        app = opened("generalize", sets)
        assert set(app.dataframe[0].value["Set"]) == {"chat", "code", "calls"}
        said = words(app)
    finally:
        remove_counts(earlier.key)
    assert "2 more counted sets were counted differently from chat" in said
    assert "span end" in said


def test_the_transfer_matrix_is_drawn(sets):
    app = opened("generalize", sets)
    heat = next(
        trace
        for chart in app.get("plotly_chart")
        for trace in json.loads(chart.proto.spec)["data"]
        if trace["type"] == "heatmap"
    )
    k, _ = choice(sets)
    order = [sets[name] for name in heat["x"]]
    drawn = heat["customdata"]
    values = np.frombuffer(base64.b64decode(drawn["bdata"]), drawn["dtype"]).reshape(3, 3)
    assert values == pytest.approx(100 * transfer_matrix(order, k).unique)
    basis = [["held out" if i == j else "" for j in range(3)] for i in range(3)]
    assert heat["hovertext"] == basis
    own = [held_out_coverage(responses(counts), k).value for counts in order]
    texts = [row[i] for i, row in enumerate(heat["text"])]
    assert texts == [f"{100 * share:.1f}<br><sub>held out</sub>" for share in own]


def test_one_set_alone_asks_for_others(sets):
    app = opened("generalize", sets)
    app.multiselect(key=f"measured_on_{sets['chat'].key}").set_value([]).run()
    assert "Nothing else is measured" in words(app)
    app.button(key="count_others").click().run()
    assert app.title[0].value == "Corpus"


def test_missing_tokens_are_named_and_can_be_added(sets):
    app = opened("generalize", sets, "Missing tokens")
    app.selectbox(key="missing_of").set_value(sets["calls"].key).run()
    assert not app.exception
    k, tradeoff = choice(sets)
    kept = tradeoff.curve.vocabulary(k).t2d
    left = np.where(kept, 0, sets["calls"].counts)
    rows = app.dataframe[0].value
    assert rows["Id"].iloc[0] == int(np.argmax(left))
    assert rows["Count"].iloc[0] == left.max()
    assert rows["In context"].str.contains("⟦").all()


def test_added_tokens_are_part_of_the_vocabulary_in_view(sets):
    k, tradeoff = choice(sets)
    left = tradeoff.curve.order[k : k + 2].tolist()
    mine = {load_tokenizer("llama-3.1").fingerprint[:16]: tuple(left)}
    app = opened("generalize", sets, state={"own_tokens": mine, "kind_in_view": "grown"})
    assert f"The {k + 2:,} tokens in view cover" in words(app)
    assert f"--k {k + 2} --protect" not in app.code[0].value
    app.switch_page("pages/export.py").run()
    assert f"The {k:,} most frequent tokens and 2 added by hand" in words(app)
    made, written = (code.value for code in app.code[-2:])
    assert f"--k {k + 2} --protect" in made
    found = import_mapping(written.partition("--vocabulary ")[2].split()[0])
    assert sorted(left) == sorted(set(found.ids.tolist()) - set(tradeoff.curve.order[:k].tolist()))


def test_stability_starts_the_command_it_shows(sets, started):
    app = opened("generalize", sets, "Stability")
    app.button(key="stability_start").click().run()
    assert started == [
        ["stability", sets["chat"].key, "--draft", "llama-3.1-8b", "--alpha", "0.05"]
    ]
    assert f"{new_tokens(sets['chat']):.3%} (" in words(app)
    assert "of the tokens of new conversations of chat will be ones never seen" in words(app)


HELD_OUT = {
    "from conversations": ({"value": 0.88, "low": 0.87, "high": 0.89}, "88.00% (87.00% to 89.00%)"),
    "from pieces": ({"value": 0.88, "low": None, "high": None}, "88.00%"),
}


@pytest.mark.parametrize("basis", HELD_OUT)
@pytest.mark.parametrize("bounded", [True, False])
def test_a_finished_stability_job_is_told(sets, monkeypatch, basis, bounded):
    held_out, words_of_it = HELD_OUT[basis]
    result = {
        "samples": [
            {"conversations": 100, "ks": [900, 1000, 1100]},
            {"conversations": 200, "ks": [950, 950, 950]},
        ],
        "k": 950,
        "interval": [900, 1000],
        "sentence": "k* = 950 is known to ± 50.",
        "coverage": 0.9,
        "drawn_from": "conversations",
        "alpha": 0.5,
        "draft": "llama-3.1-8b",
        "bounded": bounded,
        "held_out": held_out,
        "optimism": 0.02,
    }

    class Done:
        argv = ("stability", sets["chat"].key, "--draft", "llama-3.1-8b", "--alpha", "0.05")
        state, active = "done", False

        def result(self):
            return result

    monkeypatch.setattr(jobs, "list_jobs", lambda: [Done()])
    app = opened("generalize", sets, "Stability")
    assert "k* = 950 is known to ± 50." in words(app)
    told = f"C(k*) is {words_of_it} on held-out conversations"
    assert told in words(app)
    assert "in sample 90.00%." in words(app)
    drawn = [
        trace
        for chart in app.get("plotly_chart")
        for trace in json.loads(chart.proto.spec)["data"]
        if trace["type"] == "scatter" and "interval" in (trace.get("name") or "")
    ]
    assert drawn[0]["error_y"]["array"] == [50 if bounded else 0]
    assert ("or more" in drawn[0]["hovertemplate"]) != bounded


def test_the_browser_gets_every_set_exactly(sets):
    app = opened("generalize", sets, "Tailor")
    sent = {each["id"]: each for each in component(app, "sets")["sets"] if "gaps" in each}
    sent = sent or {
        each["id"]: each
        for element in app.get("bidi_component")
        for each in json.loads(element.proto.json).get("sets", [])
        if "gaps" in each
    }
    for counts in sets.values():
        packed = sent[counts.key]
        gaps, values = (
            np.frombuffer(zlib.decompress(base64.b64decode(packed[name])), kind)
            for name, kind in (("gaps", "<u4"), ("counts", "<f8"))
        )
        back = np.zeros(SIZE, np.int64)
        back[np.cumsum(gaps)] = values
        assert np.array_equal(back, counts.counts)


def test_tailored_vocabularies_follow_the_library(sets):
    app = opened("generalize", sets, "Tailor")
    assert "tokens cover" in words(app)
    for name, weight in (("chat", 20), ("code", 60), ("calls", 80)):
        app.slider(key=f"mix_{sets[name].key[:8]}").set_value(weight)
    app.toggle(key="keep_digits").set_value(True)
    app.selectbox(key="multiple").set_value(64).run()
    assert not app.exception
    order = [component(app, "alpha")["sets"][i]["name"] for i in range(3)]
    weights = [{"chat": 20, "code": 60, "calls": 80}[name] for name in order]
    from vocabtrim_core.selection.protect import ProtectedGroup, protected_ids

    digits = ProtectedGroup("digits", protected_ids("digits", load_tokenizer("llama-3.1"), None))
    found = solve(
        Problem([sets[n] for n in order], weights, LLAMA, ALPHA, protected=(digits,), multiple=64)
    )
    assert f"{found.choice.k:,} tokens cover {found.choice.coverage:.1%} of this mix" in words(app)
    assert component(app, "alpha")["own"] == found.choice.k
    assert found.choice.k % 64 == 0
    command = app.code[0].value
    assert "--protect digits --multiple 64" in command
    app.button(key="use_made").click().run()
    assert app.selectbox(key="vocabulary_kind").value == "tailored"
    app.switch_page("pages/export.py").run()
    assert not app.exception
    assert f"{found.choice.k:,} tokens" in [metric.value for metric in app.metric]
    assert "Tailored to" in words(app)


def test_a_tailored_vocabulary_is_what_export_writes(sets):
    from pages.ui.export.download_view import bundle
    from pages.ui.vocabularies import InView

    own = OwnVocabulary(
        "Tailored", "by hand", sets["chat"].key, DraftVocabulary.of([5, 9, 7], SIZE), ("select",)
    )
    tradeoff = TradeOff(CoverageCurve.of(sets["chat"]), LLAMA)
    view = InView("Tailored", own.vocabulary, None, tradeoff, sets["chat"], own)
    content, manifest = bundle(view, ("ids",), "select")
    ids = json.loads(zipfile.ZipFile(io.BytesIO(content)).read("draft-vocabulary-3/ids/ids.json"))
    assert ids["ids"] == [5, 7, 9]
    assert manifest.choice["method"] == "by hand"


SAVED_MIXES = {
    "whole shares": (Mix((), (20, 60, 80), ("digits",), (("cyrillic", 300),), 0.9), [20, 60, 80]),
    "fractions": (Mix((), (0.2, 0.6, 0.8)), [25, 75, 100]),
    "one set alone": (Mix((), (0, 0, 7.5)), [0, 0, 100]),
    "two scripts": (Mix((), (1, 1, 1), (), (("cjk", 40), ("arabic", 7))), [1, 1, 1]),
}


def tailor_controls(app: testing.AppTest, keys: list[str]) -> dict[str, object]:
    """What Tailor's controls stand at."""
    scripts = app.multiselect(key="scripts").value
    return {
        "weights": [app.slider(key=f"mix_{key[:8]}").value for key in keys],
        "protect": {name for name in SETS if app.toggle(key=f"keep_{name}").value},
        "scripts": {name: app.number_input(key=f"room_{name}").value for name in scripts},
        "floor": app.slider(key="floor_every").value,
    }


@pytest.mark.parametrize("name", SAVED_MIXES)
def test_a_reopened_choice_sets_the_controls_of_tailor(sets, name):
    saved_mix, weights = SAVED_MIXES[name]
    keys = [sets[each].key for each in ("chat", "code", "calls")]
    vocabulary = DraftVocabulary.of(range(3_000), SIZE)  # as many as the floor needs
    keep(vocabulary, sets["chat"], "tailored")  # where a link finds its tokens
    own = OwnTokens.of(vocabulary, "tailored")
    saved = SelectionSpec.make(
        sets["chat"], Settings(LLAMA, ALPHA), own=own, mix=replace(saved_mix, sets=tuple(keys))
    )
    app = opened("handover", sets, "Tailor", choice=urlencode(saved.query()))
    app.switch_page("pages/generalize.py").run()
    assert not app.exception
    assert [error.value for error in app.error] == []
    assert tailor_controls(app, keys) == {
        "weights": weights,
        "protect": set(saved_mix.protect),
        "scripts": dict(saved_mix.scripts),
        "floor": 100 * (saved_mix.floor_every or 0),
    }


def test_a_reopened_choice_without_a_mix_leaves_the_controls_of_tailor(sets):
    saved = SelectionSpec.make(sets["chat"], Settings(LLAMA, ALPHA, k=40))
    keys = [sets[each].key for each in ("chat", "code", "calls")]
    state = {f"mix_{key[:8]}": 30 for key in keys}
    app = opened("handover", sets, "Tailor", state, choice=urlencode(saved.query()))
    app.switch_page("pages/generalize.py").run()
    assert tailor_controls(app, keys)["weights"] == [30, 30, 30]


@pytest.mark.parametrize("served", ["", "calls"])
def test_the_text_to_be_served_reaches_what_is_handed_over(sets, served):
    """The throughput on Present is the forecast's on that text, with its responses."""
    settings = ForecastSettings(2.5, 3)
    saved = SelectionSpec.make(
        sets["chat"],
        Settings(LLAMA, ALPHA, k=40),
        forecast=settings,
        served=(sets[served].key,) if served else (),
    )
    app = opened("present", sets, choice=urlencode(saved.query()))
    counts = sets[served or "chat"]
    curve = CoverageCurve.of(sets["chat"])
    responses = find_responses(counts.key, counts)
    acceptance = acceptance_on(served_text(curve, counts, responses=responses), settings)
    assert acceptance.basis == ("another set" if served else "held out")
    low, _, high = forecast(acceptance.model, cycle_times(settings, LLAMA)).gain(40, SIZE)
    shown = component(app, "hero")["hero"]["numbers"][-1]
    assert shown["label"] == "Throughput, forecast"
    ends = [float(end) for end in shown["value"].replace("\N{MINUS SIGN}", "-").split(" to ")]
    assert ends == [round(100 * low), round(100 * high)]


def test_of_several_evaluation_texts_the_worst_decides_and_all_stand_in_the_address(sets):
    keys = [sets[name].key for name in ("code", "calls")]
    worst, decision = min(
        (expected(sets, served=name) for name in ("code", "calls")),
        key=lambda pair: pair[0].gain(choice(sets)[0], SIZE).middle,
    )
    app = opened("forecast", sets, alpha=str(ALPHA))
    app.multiselect(key="served").set_value(keys).run()
    assert not app.exception
    assert f"on {decision.served} (another set)" in words(app)
    data = component(app, "recommended")
    at = data["k"].index(decision.k)
    assert data["middle"][at] == worst.middle[decision.k - 1]
    assert f"--served {' '.join(sorted(keys, key=app.code[0].value.index))}" in app.code[0].value
    for page in ("explore", "handover", "present"):
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
    assert app.session_state["served"] == keys
    saved = SelectionSpec.make(
        sets["chat"], Settings(LLAMA, ALPHA), forecast=ForecastSettings(2.5), served=tuple(keys)
    )
    again = opened("handover", sets, choice=urlencode(saved.query()))
    again.switch_page("pages/forecast.py").run()
    assert again.multiselect(key="served").value == keys


def test_every_protected_set_has_a_toggle_and_a_price(sets):
    app = opened("generalize", sets, "Tailor")
    assert {toggle.key for toggle in app.toggle} == {f"keep_{name}" for name in SETS}
    tags = [
        c.value
        for c in app.caption
        if "utility" in c.value or "no cost" in c.value or "no such tokens" in c.value
    ]
    assert len(tags) == len(SETS)


def test_a_floor_everywhere_comes_with_its_bound(sets):
    app = opened("generalize", sets, "Tailor")
    app.slider(key="floor_every").set_value(80.0).run()
    order = [component(app, "alpha")["sets"][i]["name"] for i in range(3)]
    worst = covering_vocabulary([sets[name] for name in order], 0.8)
    said = words(app)
    assert f"has {worst.smallest_k:,} tokens" in said
    assert f"they would need {worst.top_k_needed:,}" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda app, key: app.slider(key=key).set_value(0), "All domain weights are zero"),
        (lambda app, key: app.text_area(key="keep_list").set_value("999999999"), "Your list"),
    ],
)
def test_impossible_wishes_are_a_sentence(sets, change, said):
    app = opened("generalize", sets, "Tailor")
    change(app, f"mix_{sets['chat'].key[:8]}")
    app.run()
    assert not app.exception
    assert said in words(app)


def test_protecting_what_is_left_out_is_a_sentence(sets):
    app = opened("generalize", sets, "Tailor")
    app.text_area(key="keep_list").set_value("17")
    app.text_area(key="drop_list").set_value("17").run()
    assert "17 is both protected and excluded" in words(app)


def test_an_existing_mapping_is_checked_and_compared(sets, tmp_path):
    _, tradeoff = choice(sets)
    ids = tradeoff.curve.vocabulary(100).ids
    np.save(tmp_path / "d2t.npy", ids)  # absolute ids, where offsets are expected
    app = opened("generalize", sets, "Compare")
    assert "What can be read" in words(app)
    app.text_input(key="mapping_path").set_value(str(tmp_path / "d2t.npy")).run()
    assert not app.exception
    assert "d2t holds absolute token ids where its readers expect offsets" in words(app)
    table = app.dataframe[0].value
    assert table["Difference"].iloc[0] < 0
    app.button(key="use_mapping").click().run()
    assert app.selectbox(key="vocabulary_kind").value == "imported"


@pytest.mark.parametrize("name", ["nothing.pt", "d2t.npy"])
def test_a_bad_mapping_is_a_sentence(sets, tmp_path, name):
    (tmp_path / "d2t.npy").write_bytes(b"no")
    app = opened("generalize", sets, "Compare")
    app.text_input(key="mapping_path").set_value(str(tmp_path / name)).run()
    assert not app.exception
    assert name in words(app)


def test_a_mapping_of_another_tokenizer_is_refused(sets, tmp_path, make_counts):
    """Its V may be the same; the manifest of the export it lies in tells."""
    foreign = make_counts(sets["chat"].counts, tokenizer="theirs", tokenizer_sha256="f" * 64)
    kept = CoverageCurve.of(foreign).vocabulary(50)
    export(kept, ["specforge"], tmp_path / "out", ExportContext(foreign))
    app = opened("generalize", sets, "Compare")
    path = tmp_path / "out/specforge/vocab_mapping.pt"
    app.text_input(key="mapping_path").set_value(str(path)).run()
    assert not app.exception
    assert "holds ids of the tokenizer theirs (ffffffff)" in words(app)
    assert "was counted with llama-3.1" in words(app)
    assert not app.dataframe


def test_uploaded_mappings_get_names_of_ours(sets):
    from pages.ui.generalize.mapping_form import store
    from vocabtrim_core.errors import InputError

    path = store([("../../etc/my d2t.npy", b"x"), ("my t2d.npy", b"y")])
    assert path.name == "d2t.npy"
    assert path.with_name("t2d.npy").read_bytes() == b"y"
    assert workspace.folder("mappings") in path.parents
    with pytest.raises(InputError, match="not a kind of file"):
        store([("run.sh", b"")])


def test_mixing_one_set_alone_is_that_set(sets):
    assert mix([sets["chat"], sets["code"]], [3, 0]) * sets["chat"].tokens == pytest.approx(
        sets["chat"].counts
    )


# --- forecast -----------------------------------------------------------------------------------


def expected(sets, hardware="a100-80g", depth=3, length=None, batch=1, served="chat"):
    """The library's forecast and decision for the page's controls."""
    counts = sets[served]
    settings = ForecastSettings(length, depth, hardware=hardware, batch=batch)
    responses = find_responses(counts.key, counts)
    _, tradeoff = choice(sets)
    acceptance = acceptance_on(served_text(tradeoff.curve, counts, responses=responses), settings)
    predicted = forecast(acceptance.model, cycle_times(settings, LLAMA))
    text = TrafficForecast(acceptance.served, acceptance.basis, predicted)
    return predicted, decide(tradeoff, [text])


def test_forecast_says_what_the_library_says(sets):
    app = opened("forecast", sets, alpha=str(ALPHA))
    predicted, decision = expected(sets)
    data = component(app, "recommended")
    assert data["recommended"] == decision.recommended_k
    assert data["range"] == list(decision.equivalent)
    assert data["k_own"] is None
    at = data["k"].index(decision.k)
    assert data["middle"][at] == predicted.middle[decision.k - 1]
    said = words(app)
    for sentence in decision_text(decision, SIZE).sentences():
        assert sentence.split("(")[0].strip() in said.replace("\\", "") + captions(app)
    assert "(held out)" in said


def captions(app):
    return "\n".join(caption.value for caption in app.caption)


def test_forecast_follows_its_controls(sets):
    app = opened("forecast", sets, alpha=str(ALPHA))
    app.slider(key="depth").set_value(5).run()
    app.slider(key="tau").set_value(3.5)
    app.select_slider(key="batch").set_value(64)
    app.multiselect(key="served").set_value([sets["calls"].key])
    app.selectbox(key="hardware").set_value("h200").run()
    assert not app.exception
    _, decision = expected(sets, "h200", 5, 3.5, 64, "calls")
    assert component(app, "recommended")["recommended"] == decision.recommended_k
    command = app.code[0].value
    for part in (
        "--depth 5",
        "--accept-length 3.5",
        "--batch 64",
        "--hardware h200",
        f"--served {sets['calls'].key}",
    ):
        assert part in command


def test_every_page_carries_the_whole_decision(sets):
    _, decision = expected(sets)
    sentences = decision_text(decision, SIZE).sentences()
    for page in ("explore", "forecast", "handover"):
        app = opened(page, sets, alpha=str(ALPHA))
        shown = (words(app) + captions(app)).replace("\\", "")
        assert [s for s in sentences if s not in shown] == [], page
    hero = component(opened("present", sets, alpha=str(ALPHA)), "hero")["hero"]
    assert hero["decision"][0] == sentences[0]
    assert hero["decision"][1].startswith(sentences[1])
    assert hero["decision"][2:] == sentences[2:]


def test_forecast_from_two_measurements(sets):
    app = opened("forecast", sets, timing="Two measurements")
    assert "With your two measurements" in words(app)
    assert "--measured 13264=0.0149" in app.code[0].value
    app.number_input(key="run0_k").set_value(SIZE).run()
    assert not app.exception
    assert "two different k" in words(app)
    app.button(key="forecast_reset").click().run()
    assert "On A100 80 GB SXM" in words(app)


def test_forecast_hands_its_size_and_alpha_to_explore(sets):
    app = opened("forecast", sets, alpha=str(ALPHA))
    best = component(app, "recommended")["recommended"]
    app.button(key="use_k").click().run()
    assert app.title[0].value == "Explore"
    assert app.number_input(key="k").value == best
    app = opened("forecast", sets)
    app.button(key="use_alpha").click().run()
    assert app.number_input(key="k").value is None
    assert app.slider(key="alpha").value != ALPHA


def test_the_paper_check_is_shown_with_what_it_rests_on(sets):
    app = testing.AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["counts"] = sets["chat"].key
    app.session_state["behind"] = "Against the paper"
    app.run()
    app.switch_page("pages/forecast.py").run()
    said = words(app)
    assert "predicts the paper's other six results within 0.7 points" in said
    for part in ("Fitted", "Taken as measured", "Predicted", "Assumed"):
        assert f"*{part}*" in said


def test_without_responses_the_ceiling_is_said_to_be_weaker(sets, tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    save_counts(sets["chat"])
    st.cache_resource.clear()
    app = opened("forecast", sets)
    assert "a bound from coverage" in words(app)
    app = opened("generalize", sets)
    assert "An interval needs the answers of two conversations or more" in words(app)
    row = app.dataframe[0].value.iloc[0]
    assert row[["Coverage", "From", "To"]].isna().all()
    assert f"{row['In sample']:.1f}% of the 60,000 tokens of chat :red-badge[in" in words(app)
    lower = np.count_nonzero(sets["chat"].counts == 1) / sets["chat"].tokens
    assert row["Unseen"] == pytest.approx(100 * lower)
    st.cache_resource.clear()


def test_forecast_shows_what_an_opened_choice_assumes(sets):
    settings = ForecastSettings(
        3.2,
        4,
        hardware="h200",
        batch=3,
        context=8000,
        head_format="int4",
        training="sliced",
        measured=((4_000, 2.5),),
    )
    saved = SelectionSpec.make(
        sets["chat"],
        Settings(LLAMA, ALPHA, k=40),
        forecast=settings,
        served=(sets["calls"].key,),
    )
    app = opened("handover", sets, choice=urlencode(saved.query()))
    app.switch_page("pages/forecast.py").run()
    assert not app.exception
    assert app.selectbox(key="hardware").value == "h200"
    assert app.slider(key="depth").value == 4
    assert app.slider(key="tau").value == 3.2
    assert app.selectbox(key="training").value == "sliced"
    assert app.multiselect(key="served").value == [sets["calls"].key]
    assert app.select_slider(key="context").value == 8000
    app.switch_page("pages/handover.py").run()
    command = "\n".join(code.value for code in app.code)
    assert not app.exception
    again = app.session_state["forecast_settings"]
    assert again == settings
    assert command
