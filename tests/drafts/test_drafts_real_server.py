"""Regeneration against a real OpenAI-compatible server: `transformers serve` with a tiny target."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from helpers.lazy import Lazy
from helpers.tokenizer_makers import byte_level, write_folder
from helpers.training_folders import SPECIALS

from vocabtrim_core.cli import main
from vocabtrim_core.serving.engines.process import free_port
from vocabtrim_core.templates.presets import NAMED

torch = Lazy("torch")
transformers = Lazy("transformers")

if importlib.util.find_spec("fastapi") is None:
    pytest.skip("needs fastapi, as transformers[serving] does", allow_module_level=True)

READY_SECONDS = 120


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "target"
    write_folder(folder, byte_level(SPECIALS, 496), NAMED["llama3"].jinja)
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=500,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(target, tmp_path_factory):
    """The server; it has loaded the target, and lists the empty hub cache as its models."""
    cache, port = tmp_path_factory.mktemp("hub"), free_port()
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(cache),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(target)]
    with (cache / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + READY_SECONDS
        while not _healthy(port):
            assert server.poll() is None, (cache / "log.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_answers_of_a_real_server(url, target, tmp_path, capsys) -> None:
    turns = [{"role": role, "content": "word ."} for role in ("user", "assistant") * 2]
    asked, out = tmp_path / "asked.jsonl", tmp_path / "own.jsonl"
    asked.write_text(json.dumps({"conversations": turns}) + "\n")
    argv = [
        "regenerate",
        "--target",
        target,
        "--data",
        asked,
        "--by",
        url,
        "--answer-tokens",
        8,
        "--out",
        out,
    ]
    assert main([*map(str, argv)]) == 2
    assert "lists no model; name the one to ask with --model" in capsys.readouterr().err
    # A target that never trained ends no answer; the server says so, and nothing is trained on.
    assert main([*map(str, [*argv, "--model", target])]) == 2
    assert "were cut at 8 tokens; raise --answer-tokens" in capsys.readouterr().err
    assert not out.exists()
    (line,) = [
        json.loads(line)
        for line in out.with_name("own.jsonl.partial").read_text("utf-8").splitlines()
        if '"text"' in line
    ]
    assert line["text"].strip() not in ("", "word .")
