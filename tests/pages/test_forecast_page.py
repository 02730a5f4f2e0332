"""The Forecast page on a measurement: through AppTest, on a set with its responses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import APP
from helpers.lazy import Lazy
from helpers.real_data import new_home
from helpers.talks import SIZE, talk

from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.calibration import calibration, checks, with_lengths
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run

testing = Lazy("streamlit.testing.v1")
figures = Lazy("vocabtrim_core.figures.calibration")

KS = {4_000: 2.5, 13_264: 2.7, 32_000: 2.8, SIZE: 2.89}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return new_home(tmp_path_factory.mktemp("loop"))


@pytest.fixture
def chat(home, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(home))
    return talk("chat", 1.25, 1)


def measured(ks=KS, **about) -> Measurement:
    runs = []
    for k, length in ks.items():
        rate = length / (0.0147 + 1.6e-8 * k)
        runs += [
            Run(f"{k:,}", 1, i, throughput=rate * wobble, acceptance_length=length, verified=100)
            for i, wobble in enumerate((1.0, 1.001, 0.999))
        ]
    configurations = tuple(Configuration(f"{k:,}", k, f"draft-{k}", 3, 1, 4) for k in ks)
    made = {"vocab_size": SIZE, "device": "A100", "created": "2026-01-01T00:00:00"}
    return Measurement("MT-Bench", "t", "SGLang 1", configurations, tuple(runs), **made | about)


def opened(chat, **state) -> testing.AppTest:
    app = testing.AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["counts"] = chat.key
    for name, value in {"timing": "A measurement", **state}.items():
        app.session_state[name] = value
    app.run()
    app.switch_page("pages/forecast.py").run()
    assert not app.exception
    return app


def words(app: testing.AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.info, *app.error))


def test_a_measurement_is_the_source_and_every_size_is_held_against_it(chat):
    app = opened(chat)
    assert "No measurement of a target with 128,256 tokens yet" in words(app)
    first = measured()
    measurements.save(first)
    measurements.save(replace(measured({4_000: 2.5}), created="2025-01-01T00:00:00"))
    measurements.save(replace(measured(), vocab_size=500))  # of another target: not offered
    app = opened(chat, behind="Against measurements")
    assert len(app.selectbox(key="calibrated_on").options) == 2
    said = words(app)
    assert "From the measurement on SGLang 1 on A100 with MT-Bench, 1 at once, 3 draft" in said
    assert "Each of 4 sizes, predicted from the others alone, is off by" in said
    assert "the decision is **" in said
    command = app.code[0].value
    assert f"--measurement {first.key} --batch 1" in command
    table = app.dataframe[-1].value
    assert table["Size k"].tolist() == ["4,000", "13,264", "32,000", "128,256"]
    assert table["How"].tolist() == ["from the other sizes"] * 4
    one = next(each for each in measurements.stored() if len(each.configurations) == 1)
    app.selectbox(key="calibrated_on").set_value(one.key).run()
    assert not app.exception
    assert "two sizes at least" in words(app)
    app.button(key="forecast_reset").click().run()
    assert "On A100 80 GB SXM" in words(app)


def test_what_the_figure_shows(make_counts):
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.forecast.inputs import acceptance_on, served_text
    from vocabtrim_core.forecast.settings import ForecastSettings

    counts = make_counts([1000 // (i + 1) for i in range(500)])
    ks = {100: 2.2, 250: 2.6, 500: 2.8}
    found = calibration(measured(ks))
    curve = CoverageCurve.of(counts)
    model = acceptance_on(served_text(curve, counts), ForecastSettings(), found.lengths).model
    rows = checks(found, lambda lengths, cycles: forecast(with_lengths(model, lengths), cycles))
    made = forecast(model, found.cycles())
    info = figures.measured_info(made, rows, found.concurrency, 77)
    assert info.fastest == 77
    assert info.at == (100, 250, 500)
    assert set(info.at) <= set(info.k.tolist())
    assert (info.low <= info.middle + 1e-9).all()
    assert (info.middle <= info.high + 1e-9).all()
    assert info.fitted == (False, False, False)
    figure = figures.measured_figure(info)
    assert figure.layout.yaxis.title.text == "Output tokens/s"
    names = [trace.name for trace in figure.data]
    assert "Measured, 95 % interval" in names
    assert "Predicted from the other sizes" in names
    assert "In the fit" not in names


def test_a_link_is_followed_or_what_is_not_is_said(chat):
    app = testing.AppTest.from_file(str(APP), default_timeout=60)
    link = {"counts": chat.key, "hardware": "h200", "batch": "64", "context": "5000"}
    for name, value in {**link, "training": "nonsense", "hardwar": "l4", "embed": "true"}.items():
        app.query_params[name] = value
    said = [toast.value for toast in app.run().toast]  # of what no page knows
    app.switch_page("pages/forecast.py").run()
    assert not app.exception
    assert app.selectbox(key="hardware").value == "h200"
    assert app.select_slider(key="batch").value == 64
    said += [toast.value for toast in app.toast]
    assert [text.replace("\\", "") for text in said] == [
        f"Ignored from the link: {names}; no such setting or value."
        for names in ("hardwar", "context, training")
    ]
    assert not app.run().toast


def test_a_cpu_says_that_it_wants_a_measurement_and_leads_to_one(chat):
    app = opened(chat, timing="Data sheet", hardware="laptop-cpu")
    assert any("measure two sizes" in caption.value for caption in app.caption)
    assert app.button(key="measure_instead").label == "Measure on Throughput"
