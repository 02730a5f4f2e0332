"""SGLang launched here: what it is started with, waited for, and stopped, by a stand-in for it."""

from __future__ import annotations

import json
import os
import sys

import psutil
import pytest
from helpers.sglang_server import write_interpreter, write_nvidia_smi

from vocabtrim_core import programs, workspace
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines import process
from vocabtrim_core.serving.engines import programs as engines
from vocabtrim_core.serving.engines.process import ServerProcess
from vocabtrim_core.serving.engines.sglang.launch import Launch, SglangLauncher
from vocabtrim_core.serving.measurement import Configuration
from vocabtrim_core.serving.prompts.prompt_set import PromptSet
from vocabtrim_core.serving.runner import measure

BASE = Configuration("no speculation")
DRAFT = Configuration("4,380", 4_380, "/drafts/d", 3, 1, 4)
PROMPTS = PromptSet.of("three", [Prompt(str(n), (n, n)) for n in range(3)])


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch) -> None:
    """A workspace of its own, and a GPU."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("VOCABTRIM_SGLANG", raising=False)
    write_nvidia_smi(tmp_path, reasons="0x0")


def launcher(tmp_path, mode: str = "", **launch) -> SglangLauncher:
    command = (str(write_interpreter(tmp_path, mode)),)
    return SglangLauncher("models/t", command=command, launch=Launch(**launch), stall=5)


def calls(tmp_path) -> list[list[str]]:
    return [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]


def test_one_server_after_the_other(tmp_path) -> None:
    engine = launcher(tmp_path)
    found = measure(engine, [BASE, DRAFT], PROMPTS, runs=2, concurrencies=(1, 2))
    engine.close()
    assert [run.error for run in found.runs] == [""] * 8
    assert [run.verified is None for run in found.runs] == [True] * 4 + [False] * 4
    assert (found.engine, found.device) == ("SGLang 0.5.14", "NVIDIA H200")
    assert found.versions == {"sglang": "0.5.14", "driver": "580.65"}
    assert found.settings["clocks_last"].endswith("not slowed")
    base, draft, again = calls(tmp_path)  # two blocks of one run that face each other
    assert "--speculative-algorithm" not in base
    assert base == again[: len(base)] or base[:4] == again[:4]
    text = " ".join(draft)
    assert "-m sglang.launch_server --model-path models/t --host 127.0.0.1 --port" in text
    assert "--max-running-requests 2 --random-seed 42 --cuda-graph-max-bs-decode 2" in text
    assert (
        "--speculative-algorithm EAGLE3 --speculative-draft-model-path /drafts/d "
        "--speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4"
    ) in text
    assert (workspace.folder("servers") / "4-380.log").read_bytes().startswith(b"$ ")


def test_on_a_cpu_no_gpu_is_wanted(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    for extra in (("--device=cpu",), ("--device", "cpu")):
        engine = launcher(tmp_path, extra=extra)
        assert "driver" not in engine.versions
        assert engine.device
        assert "--cuda-graph-max-bs-decode" not in engine.argv(DRAFT, 1, 3000)
    with pytest.raises(InputError, match="no NVIDIA GPU here"):
        launcher(tmp_path, extra=("--device=cuda",))


def test_made_up_acceptance_needs_no_weights(tmp_path) -> None:
    launch = Launch(simulate=2.65, context=512, extra=("--disable-cuda-graph",))
    line = " ".join(launch.argv(("python",), "t", DRAFT, 1, 30000))
    assert "--load-format dummy --speculative-draft-load-format dummy --disable-cuda" in line
    assert "--context-length 512" in line
    assert launch.settings["SGLANG_SIMULATE_ACC_LEN"] == "2.65"
    assert "speculative-draft-load-format" not in " ".join(launch.argv(("p",), "t", BASE, 1, 3))
    engine = launcher(tmp_path, simulate=2.65)
    assert engine.settings["simulated_acceptance_length"] == 2.65
    assert "only its times mean something" in engine.notes[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mem_fraction": 1.5}, "mem-fraction must lie within"),
        ({"simulate": 0.5}, "1 at least, not 0.5"),
        ({"extra": ("--port=3",)}, "--port is set by the measurement itself"),
        ({"extra": ("--api-key", "secret")}, "--api-key is set by"),
        ({"extra": ("--speculative-num-steps=5",)}, "is set by the measurement"),
        ({"extra": ("--trust-remote-code",)}, "--trust-remote-code is set by the measurement"),
        ({"extra": ("--trust",)}, "--trust is set by the measurement"),  # an abbreviation
        ({"extra": ("--trust_remote_code",)}, "is set by the measurement"),
        ({"extra": ("--config", "x.yaml")}, "--config is set by the measurement"),
    ],
)
def test_what_cannot_be_launched(settings, words) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Launch(**settings)
    assert "secret" not in str(caught.value)


def test_a_server_that_breaks_reports_its_last_error(tmp_path) -> None:
    engine = launcher(tmp_path, "breaks")
    with pytest.raises(EngineError, match=r"ended with code 1: ValueError: max_position_embeddin"):
        engine.use(BASE, 1)
    engine.close()


def test_a_server_that_is_never_ready(tmp_path) -> None:
    engine = launcher(tmp_path, "hangs", ready=0.5)
    with pytest.raises(EngineError, match=r"was not ready after 0\.5 s"):
        engine.use(BASE, 1)
    engine.close()


def test_a_server_that_dies_under_way(tmp_path) -> None:
    engine = launcher(tmp_path, "dies")
    engine.use(BASE, 1)
    with pytest.raises(EngineError, match=r"died: the GPU is out of memory; lower --mem-fraction"):
        engine.answer(PROMPTS.prompts, Generation(50), 1, lambda: None)
    engine.close()


def test_a_server_that_drafts_otherwise_than_asked(tmp_path) -> None:
    engine = launcher(tmp_path)
    with pytest.raises(EngineError, match="drafts 3 steps and 4 tokens, where 5 and 6 were"):
        engine.use(Configuration("5", 10, "/d", 5, 1, 6), 1)
    engine.close()


def test_stopping_while_it_starts(tmp_path) -> None:
    def stop() -> None:
        raise Cancelled("Stopped.")

    command = (str(write_interpreter(tmp_path, "hangs")),)
    engine = SglangLauncher("t", command=command, check=stop)
    with pytest.raises(Cancelled):
        engine.use(BASE, 1)
    assert engine._server is not None
    pids = engine._server.pids
    assert pids
    engine.close()
    assert not any(map(psutil.pid_exists, pids))


def test_what_ignores_sigterm_is_killed_with_its_children(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)'])\n"
        "time.sleep(60)\n"
    )
    server = ServerProcess([sys.executable, "-c", code], {}, tmp_path / "log.txt")
    server.wait(lambda: "\n1" in server.log.read_text(), 20, lambda: None)
    family = [psutil.Process(pid) for pid in server.pids]
    server.stop()
    assert len(family) == 3  # with the guard
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)
    assert not server.alive


def command(name: str | None = None) -> tuple[str, ...]:
    return engines.engine_command("sglang", name)


def test_the_interpreter_is_a_setting(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    assert command() == (sys.executable,)
    good = str(write_interpreter(tmp_path))
    assert engines.add("good", good).version == "0.5.14"
    assert command() == command("good") == (good,)
    with pytest.raises(InputError, match="has no SGLang or vLLM or llama"):
        engines.add("bad", str(write_interpreter(tmp_path, "without")))
    with pytest.raises(InputError, match="does not start"):
        engines.add("bad", "/no/such/python")
    assert list(programs.configured(programs.ENGINE)) == ["good"]  # what failed is not kept
    monkeypatch.setenv("VOCABTRIM_SGLANG", "other -x")
    assert command() == ("other", "-x")
    monkeypatch.delenv("VOCABTRIM_SGLANG")
    programs.add(programs.ENGINE, "second", "/x/python")
    with pytest.raises(InputError, match="good, second"):
        command()
    for name in ("good", "second"):
        programs.remove(programs.ENGINE, name)
    assert command() == (sys.executable,)


def test_without_a_gpu_there_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty") + os.pathsep)
    with pytest.raises(InputError, match="There is no NVIDIA GPU here"):
        launcher(tmp_path)
