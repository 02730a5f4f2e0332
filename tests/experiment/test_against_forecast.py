"""Measured drafts beside the forecast made without them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.lazy import Lazy

from vocabtrim_core.cli.experiment import forecast_text
from vocabtrim_core.experiment.against_forecast import hardware_of, of_experiment, pairs
from vocabtrim_core.experiment.outcome import outcome
from vocabtrim_core.experiment.plan import MEASURE, TRAIN, ExperimentPlan
from vocabtrim_core.experiment.record import Experiment, FinishedStage
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.evidence import parse
from vocabtrim_core.forecast.evidence_check import check
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run, decode, save

stats = Lazy("scipy.stats")
V, H = 49_152, 576
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
ALONE = Configuration("no speculation")


def measured(rates: dict[tuple[int, int], list[float]], **about) -> Measurement:
    """Runs with these tokens/s by size and steps; 1.45 tokens in a cycle."""
    drafts = [Configuration(f"{k:,} (n = {n})", k, f"/d/{k}", n, 1, n + 1) for k, n in rates]
    runs = [Run(ALONE.label, 1, i, 28.0, 280, 10.0) for i in range(3)]
    for c, values in zip(drafts, rates.values(), strict=True):
        for i, rate in enumerate(values):
            seconds = 290 / rate
            runs.append(Run(c.label, 1, i, rate, 290, seconds, 200, 1.45))
    about = {"vocab_size": V, "device": "AMD EPYC, 2 cores", **about}
    return Measurement("p", "t", "vLLM 0.32.0", (ALONE, *drafts), tuple(runs), **about)


def test_a_pair_is_a_trimmed_draft_and_v_with_as_many_tokens():
    found = measured(
        {(V, 1): [30.0], (V, 3): [27.0], (1500, 1): [36.0], (1500, 3): [38.0], (1500, 2): [37.0]}
    )
    rows = pairs(found, H, {1500: 0.97})
    assert [(r.id, r.k_base, r.k, r.depth, r.throughput_base, r.throughput_k) for r in rows] == [
        ("1,500 (n = 1)", V, 1500, 1, 30.0, 36.0),
        ("1,500 (n = 3)", V, 1500, 3, 27.0, 38.0),
    ]
    assert {r.coverage_k for r in rows} == {0.97}
    assert rows[1].cycle_ms_base == pytest.approx(1e3 * 290 / 27.0 / 200)
    assert pairs(measured({(1500, 1): [36.0]}), H, {}) == ()


def test_a_pair_is_the_row_that_a_user_would_write():
    """The same measurement as a line of CSV, by hand, has the same forecast."""
    found = measured({(V, 3): [27.7, 27.6, 27.8], (1500, 3): [38.0, 38.1, 37.9]})
    (row,) = pairs(found, H, {1500: 0.97})
    line = "id,source,kind,hidden_size,vocab_size,k_base,k,training,device,depth,length_base,"
    line += "coverage_k,cycle_ms_base,throughput_base,throughput_k,noise\n"
    cycle = np.mean([1e3 * 290 / rate / 200 for rate in (27.7, 27.6, 27.8)])
    line += f"a,me,P,{H},{V},{V},1500,short,laptop-cpu,3,1.45,0.97,{cycle},27.7,38.0,{row.noise}"
    (own,) = parse(line, "own.csv")
    assert check(row).forecast == pytest.approx(check(own).forecast, abs=1e-9)
    assert check(row).inside is check(own).inside is True


def test_the_noise_is_that_of_the_runs():
    full, small = [27.0, 27.9, 27.4], [38.0, 37.5, 38.3]
    (row,) = pairs(measured({(V, 3): full, (1500, 3): small}), H, {})
    expected = stats.sem(np.log(np.divide(small, full)))
    assert row.noise == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("NVIDIA A100-SXM4-80GB", "a100-80g"),
        ("NVIDIA A100-SXM4-40GB", "a100-40g"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("AMD EPYC, 2 cores", "laptop-cpu"),
        ("NVIDIA T4", ""),
    ],
)
def test_the_device_of_a_measurement(name, key):
    assert hardware_of(name) == key
    assert key in (*HARDWARE, "")


def test_a_device_that_is_not_known_has_a_reason():
    found = measured({(V, 3): [27.0], (1500, 3): [38.0]}, device="NVIDIA T4")
    (checked,) = map(check, pairs(found, H, {1500: 0.9}))
    assert checked.forecast is None
    assert "no hardware" in checked.refused


@pytest.mark.parametrize("path", sorted(RESULTS.glob("experiment_*.json")), ids=lambda p: p.stem)
def test_committed_results_have_a_pair_for_every_trimmed_draft(path):
    raw = json.loads(path.read_text())["measurement"]
    found = decode(json.dumps(raw).encode(), path.name)
    rows = pairs(found, H, {c.k: 0.97 for c in found.configurations if c.k})
    bases = {c.steps for c in found.configurations if c.k == V}
    wanted = [c for c in found.configurations if c.k and c.k != V and c.steps in bases]
    assert len(rows) == len(wanted)
    assert rows or not bases
    assert all(check(row).inside is not None for row in rows)


def test_an_experiment_shows_its_forecasts(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    found = measured({(V, 3): [27.7, 27.6, 27.8], (1500, 3): [38.0, 38.1, 37.9]})
    save(found)
    trained = {
        "run": "r",
        "drafts": [{"k": 1500, "coverage": 1.0, "coverage_held_out": 0.97, "acceptance_length": 1}],
    }
    stages = (
        FinishedStage(TRAIN, ("train",), 1.0, trained),
        FinishedStage(MEASURE, ("bench",), 1.0, {"key": found.key, "rows": []}),
    )
    experiment = Experiment(ExperimentPlan(), stages)
    (shown,) = outcome(experiment)["forecasts"]
    assert of_experiment(experiment)[0].evidence.coverage_k == 0.97  # of text it was not chosen on
    assert shown["measured"] == pytest.approx(38.0 / 27.7 - 1)
    assert shown["forecast"]["low"] <= shown["measured"] <= shown["forecast"]["high"]
    json.dumps(shown)
    text = "\n".join(forecast_text([shown]))
    assert "1 of 1 measured gains over V lie in the 90 % band" in text
    assert forecast_text([]) == []
    refused = {**shown, "forecast": None, "refused": "The source gives no cycle time."}
    assert forecast_text([refused, refused]) == ["The source gives no cycle time."]
    gone = replace(stages[1], result={"key": "0" * 16, "rows": []})
    assert outcome(Experiment(ExperimentPlan(), (stages[0], gone)))["forecasts"] == []


def test_the_committed_table_is_that_of_the_committed_results():
    """Every trimmed draft of every results file is a row, with the gain of its runs."""
    table = json.loads((RESULTS / "forecast_experiments.json").read_text())["rows"]
    shown = {(row["results"], row["trimmed draft"]): row["over V, measured"] for row in table}
    for path in RESULTS.glob("experiment_*.json"):
        raw = json.loads(path.read_text())["measurement"]
        rates = {
            c["label"]: np.mean(
                [r["throughput"] for r in raw["runs"] if r["configuration"] == c["label"]]
            )
            for c in raw["configurations"]
        }
        by_size = {(c["k"], c["steps"]): c["label"] for c in raw["configurations"] if c["k"]}
        for (k, steps), label in by_size.items():
            if k != V and (V, steps) in by_size and (path.stem, label) in shown:
                gained = 100 * (rates[label] / rates[by_size[V, steps]] - 1)
                assert float(
                    shown[path.stem, label].rstrip("%").replace("\N{MINUS SIGN}", "-")
                ) == pytest.approx(gained, abs=0.051)
    assert len(shown) == len(table) > 0
