"""Real tokenizers and conversations: what comes with the repository, and what lies beside it.

Tests run on the tokenizers of Python packages and on the conversations in data/. A second layer
runs on the tokenizers and corpora in ../shared and skips where that folder is not; its names begin
with "shared:".
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import sys
from pathlib import Path

import pytest

from helpers import ROOT, TESTS
from vocabtrim_core.tokenizers.presets import PRESETS
from vocabtrim_core.tokenizers.tokenizer import Tokenizer, load_tokenizer

OWN = TESTS / "data"
SHARED = Path(os.environ.get("TEST_SHARED") or ROOT.parent / "shared")
VENDORS = ("llama-3.1", "tekken")  # bundled, with code of their vendor to compare with
BUNDLED = (*VENDORS, "smollm2")
KEPT = Path(sys.prefix) / "share" / "test-tokenizers"  # outlives a run; files are named by content

load_once = functools.cache(load_tokenizer)  # every command loads its own otherwise: half a second


def new_home(home: Path) -> Path:
    """A workspace in which the bundled tokenizers need not be converted again."""
    (KEPT / "presets").mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "tokenizers").symlink_to(KEPT / "presets")
    return home


def shared_folder(name: str = "") -> Path:
    """../shared, or what has this name in it; the test skips without it."""
    if not (SHARED / "data").is_dir() or not (SHARED / name).exists():
        pytest.skip(f"needs ../shared/{name}, which is not in the repository")
    return SHARED / name


def shared_corpus(name: str) -> Path:
    """A corpus of ../shared; the test skips without it."""
    return shared_folder(f"data/corpora/{name}.jsonl.gz")


def tokenizer_spec(name: str) -> str:
    """What the product takes for "llama-3.1" (a preset) or "shared:qwen-151k" (a folder)."""
    where, _, folder = name.rpartition(":")
    if where == "shared":
        return str(shared_folder(f"data/tokenizers/{folder}"))
    if name in PRESETS and not PRESETS[name].installed:
        pytest.skip(f"needs the package {PRESETS[name].package}, which is not installed")
    return name


@functools.cache
def real_tokenizer(name: str) -> Tokenizer:
    """Loading takes half a second, so the tests of a process share it."""
    return load_tokenizer(tokenizer_spec(name))


def messages(path: Path, n: int, step: int = 1) -> list[list[dict]]:
    """Roles and contents of every `step`-th conversation of a file, `n` at most."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for at, line in enumerate(file) if at % step == 0][:n]
    chats = [row.get("messages") or row["conversations"] for row in rows]
    return [[{"role": m["role"], "content": m["content"]} for m in chat] for chat in chats]
