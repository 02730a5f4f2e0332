"""The Throughput page through AppTest, on measurements made up for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_measurements import SMALL, V, made
from streamlit.testing.v1 import AppTest

from vocabtrim_core import workspace
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.statistics import verdict

APP = Path(__file__).resolve().parents[1] / "app.py"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def started(monkeypatch) -> list[list[str]]:
    """What the page starts, instead of starting it."""
    asked: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda argv, title, **more: asked.append(list(argv)))
    return asked


def keep(*found: Measurement) -> list[str]:
    for each in found:
        measurements.save(each)
    return [each.key for each in found]


def opened(state=(), **link) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in link.items():
        app.query_params[name] = value
    for name, value in dict(state).items():
        app.session_state[name] = value
    app.run()
    app.switch_page("pages/throughput.py").run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    kinds = (*app.markdown, *app.caption, *app.error, *app.warning, *app.success, *app.info)
    return "\n".join(element.value for element in kinds).replace("\\", "")


def button(app: AppTest, key: str):
    return next((each for each in app.button if each.key == key), None)


# --- results ------------------------------------------------------------------------------------


def test_a_fresh_machine_gets_one_step_and_the_papers_tables():
    app = opened()
    assert "Nothing is measured yet" in [each.value for each in app.subheader]
    assert "177.54 ± 0.52" in words(app)
    assert ":green-badge[measured] |" not in words(app).split("13,264")[1]
    button(app, "train_first").click().run()
    assert app.title[0].value == "Train"


def test_the_newest_measurement_is_in_view_with_its_verdict():
    old, new = made("MT-Bench"), made("NER", created="2026-02-01T00:00:00Z")
    keep(old, new)
    app = opened()
    assert app.multiselect(key="measured").value == [new.key]
    assert verdict(new, "13,264", 1) in words(app)
    app.multiselect(key="measured").set_value([old.key, new.key]).run()
    assert not app.exception
    assert verdict(old, "13,264", 1) in words(app)


def test_the_verdict_follows_the_draft_and_the_requests_at_once():
    found = made(concurrencies=(1, 8))
    keep(found)
    app = opened()
    app.selectbox(key="measured_draft").set_value("13,264")
    app.segmented_control(key="measured_at").set_value(8).run()
    assert verdict(found, "13,264", 8) in words(app)


def test_a_toy_is_never_shown_without_saying_so():
    keep(made(toy=True))
    app = opened()
    said = words(app)
    assert said.count("toy target") >= 3
    assert "its numbers are not a result" in said
    for chart in app.get("plotly_chart"):
        assert "toy target" in chart.proto.spec


def test_one_run_has_no_interval_and_says_why():
    keep(made(runs=1))
    said = words(opened())
    assert "Only one run, so there is no interval" in said
    assert "one run each" in said


def test_missing_baselines_are_named():
    keep(made(ks=(V, SMALL)))
    assert "Baselines not measured here: 32,000, no speculation." in words(opened())
    keep(made(created="2027-01-01"))
    assert "Baselines not measured" not in words(opened())


def test_failed_runs_are_told_with_their_reason():
    found = made()
    runs = (replace(found.runs[0], error="the server died"), *found.runs[1:])
    keep(replace(found, runs=runs))
    app = opened()
    assert "1 of 12 runs failed; the others stand" in [each.label for each in app.expander]
    assert "run 1: the server died" in words(app)


def test_everything_failed_is_still_a_page():
    found = made()
    runs = tuple(replace(each, error="no GPU") for each in found.runs)
    keep(replace(found, runs=runs))
    assert "No run with a draft succeeded on MT-Bench" in words(opened())


@pytest.mark.parametrize("tab", ["Acceptance", "Concurrency", "Latency", "All numbers"])
def test_every_tab_draws(tab):
    keep(made(concurrencies=(1, 4)), made("NER", runs=1, ks=(None, SMALL), concurrencies=(4,)))
    app = opened({"measured_tab": tab})
    app.multiselect(key="measured").set_value([m.key for m in measurements.stored()]).run()
    assert not app.exception
    assert not app.error


def test_the_papers_table_has_ours_beside():
    found = made()
    keep(found)
    table = next(each.value for each in opened().markdown if each.value.startswith("| Task"))
    row = next(line for line in table.splitlines() if "| 13,264 |" in line and "MT-Bench" in line)
    assert "177.54 ± 0.52" in row
    rates = [run.throughput for run in found.good("13,264")]
    assert f"{sum(rates) / 3:,.2f} ± " in row


def test_provenance_names_engine_versions_and_command():
    keep(made())
    said = words(opened())
    for part in ("made-up engine 0.1", "torch 2.13", "bench --target demo", "made-up device"):
        assert part in said


def test_a_measurement_can_be_removed():
    (key,) = keep(made())
    app = opened()
    button(app, f"drop_{key}").click().run()
    assert not app.exception
    assert measurements.stored() == []
    assert "Nothing is measured yet" in [each.value for each in app.subheader]


def test_a_damaged_file_is_a_sentence():
    (workspace.folder("measurements") / "0123456789abcdef.json").write_text("{")
    app = opened()
    assert "0123456789abcdef.json is not a measurement" in words(app)


def test_a_new_measurement_comes_into_view():
    keep(made())
    app = opened()
    (key,) = keep(made("NER", created="2027-01-01"))
    app.run()
    assert app.multiselect(key="measured").value == [key]


# --- import -------------------------------------------------------------------------------------


def result_file(rate: float) -> bytes:
    """As SpecForge's `bench_eagle3.py` writes it."""
    metrics = {"latency": 100.0, "output_throughput": rate, "accept_length": 2.5,
               "num_questions": 80, "accuracy": None, "num_valid_predictions": 0,
               "categorical_performance": None}  # fmt: skip
    found = {"batch_size": 1, "steps": 3, "topk": 1, "num_draft_tokens": 4, "num_samples": 80,
             "metrics": [metrics]}  # fmt: skip
    return json.dumps({"model": "draft", "mtbench": [found]}, indent=1).encode()


def test_results_are_imported_and_come_into_view(home):
    app = opened()
    app.selectbox(key="attached").set_value("import").run()
    files = [("a.jsonl", result_file(150.0), "x"), ("b.jsonl", result_file(160.0), "x")]
    app.file_uploader(key="result_files").set_value(files)
    app.text_input(key="result_k").set_value("128256 13264")
    app.number_input(key="result_v").set_value(V).run()
    assert not app.exception
    shown = "import-results a.jsonl b.jsonl --k 128256 13264 --vocab-size 128256"
    assert shown in app.code[0].value
    button(app, "import").click().run()
    assert not app.exception
    (found,) = measurements.stored()
    assert [c.k for c in found.configurations] == [V, SMALL]
    assert app.multiselect(key="measured").value == [found.key]
    assert "imported" in words(app)


def test_a_bad_result_file_is_a_sentence():
    app = opened()
    app.selectbox(key="attached").set_value("import").run()
    app.file_uploader(key="result_files").set_value([("a.json", b"<html>", "x")]).run()
    assert not app.exception
    assert "a.json line 1 is not JSON" in words(app)
    assert button(app, "import") is None
