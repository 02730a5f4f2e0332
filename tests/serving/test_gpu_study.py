"""The GPU study's script at tiny shapes: every part runs, and its report says it is no result."""

from __future__ import annotations

import json
import sys

import msgspec
import pytest
from helpers.lazy import Lazy
from helpers.tiny_models import write_folders

from benchmarks import report
from vocabtrim_core.drafts.target import load_target
from vocabtrim_core.forecast.paper import RESULTS
from vocabtrim_core.serving.engine import Prompt
from vocabtrim_core.serving.latency_probe import Probe
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.prompts.prompt_set import PromptSet

torch = Lazy("torch")
gpu_study = Lazy("benchmarks.gpu_study")
gpu_study_rows = Lazy("benchmarks.gpu_study_rows")


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """Reports go to a folder of this test."""
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["gpu_study.py", "--tiny"])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield lambda: json.loads((tmp_path / "gpu_study_tiny.json").read_text())
    torch.set_num_threads(before)


def test_latency_verification_and_cycles(results):
    gpu_study.main(["--tiny", "--part", "latency"])
    found = results()
    assert "no result" in found["note"]
    probe = msgspec.convert(found["probe"], Probe)
    sizes = [row.k for row in probe.at(1)]
    for part, count in (("a: draft step", 24), ("b: verification", 2), ("c: cycle", 24)):
        rows = [row for row in found["rows"] if row["part"] == part]
        assert len(rows) == count
    steps = [row for row in found["rows"] if row["part"] == "a: draft step" and row["batch"] == 2]
    assert [row["k"] for row in steps] == sizes
    assert float(steps[-1]["ratio_to_V"]) == float(steps[-1]["bytes_ratio"]) == 1
    cycles = [row for row in found["rows"] if row["part"] == "c: cycle" and row["batch"] == 1]
    assert cycles[0]["median_ms"] == pytest.approx(1e3 * probe.cycle_points(1, 3)[0][1], abs=1e-3)
    assert not any(row["paper_ratio"] for row in cycles)  # another V


def test_the_papers_cycle_ratio():
    assert gpu_study_rows.paper_ratio(RESULTS[0]) == pytest.approx(0.890, abs=5e-4)


def test_drafts_are_measured_over_prompts(results, tmp_path):
    models = write_folders(tmp_path / "models")
    study = gpu_study.Study(gpu_study.CPU, "cpu", tiny=True)
    prompts = PromptSet.of("in domain", [Prompt(str(i), (i, 5, 7)) for i in range(2)])
    study.measure(load_target(models.target), models.drafts, prompts)
    found = results()
    (measured,) = (msgspec.convert(each, Measurement) for each in found["measurements"])
    assert measured.prompts == "in domain"
    assert [len(measured.good(c.label)) for c in measured.configurations] == [3, 3, 3]
    rows = [row for row in found["rows"] if row.get("k")]
    assert [row["k"] for row in rows] == [40, 11]
    assert all(float(row["acceptance_length"]) >= 1 for row in rows)
    assert any("equal those of the first" in row["what"] for row in found["rows"])


def test_without_a_gpu_only_the_tiny_run_is_offered():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match="--tiny"):
        gpu_study.main([])


@pytest.mark.slow
def test_the_whole_study(results):
    """With a target and drafts trained on the way: minutes."""
    gpu_study.main(["--tiny"])
    assert {row["part"][0] for row in results()["rows"]} == set("abcd")
