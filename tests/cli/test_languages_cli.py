"""languages: coverage by script and language, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.languages_talks import answers, write_talks
from helpers.tokenizer_makers import byte_level, write_folder

MIX = {"English": 60, "German": 25, "Russian": 15}


@pytest.fixture
def counted(ok, tmp_path, monkeypatch) -> Path:
    """mixed.npz of three languages and german.npz; the folder of their tokenizer."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder = write_folder(tmp_path / "small", byte_level(["<|im_end|>"]))
    texts = [text for name, n in MIX.items() for text in answers(name, n)]
    write_talks(tmp_path / "mixed.jsonl", texts)
    write_talks(tmp_path / "german.jsonl", answers("German", 20, seed=9))
    for name in ("mixed", "german"):
        files = ("--data", f"{name}.jsonl", "--out", f"{name}.npz")
        ok("count", "--tokenizer", folder, "--template", "qwen", *files)
    return folder


def test_the_worst_language_is_named(counted, ok):
    pytest.importorskip("py3langid", reason="needs the package py3langid")
    options = ("--k", "150", "--on", "german.npz", "--tokenizer", counted)
    result = ok("languages", "mixed.npz", *options, text="The worst is ")
    mixed, german = result["sets"]
    assert {row["domain"]: row["conversations"] for row in mixed["languages"]} == MIX
    assert mixed["held_out"]
    assert not german["held_out"]
    assert [row["domain"] for row in german["languages"]] == ["German"]
    low = min(mixed["languages"], key=lambda row: row["coverage"])
    assert mixed["worst"] == low["domain"]
    assert sum(row["share"] for row in mixed["scripts"]) <= 1


def test_bad_input_is_a_sentence(counted, refused):
    options = ("--k", "150", "--tokenizer", counted)
    assert "1 conversation or more" in refused("languages", "mixed.npz", *options, "--sample", "0")
