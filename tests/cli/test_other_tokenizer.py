"""Counts of another tokenizer with the same V: refused by every command that takes two sets."""

from __future__ import annotations

import numpy as np
import pytest

V = 128_256
FORECAST = ("--hardware", "h100", "--accept-length", 2.9, "--depth", 3)
PATHS = {
    "coverage --on": ("coverage", "chat.npz", "--k", 5, "--on", "other.npz"),
    "coverage --on, second": ("coverage", "chat.npz", "--k", 5, "--on", "chat.npz", "other.npz"),
    "forecast --served": ("forecast", "chat.npz", *FORECAST, "--served", "other.npz"),
    "forecast --served, second": (
        *("forecast", "chat.npz", *FORECAST),
        *("--served", "chat.npz", "--served", "other.npz"),
    ),
    "report --on": ("report", "chat.npz", "--k", 5, "--on", "other.npz", "--out", "r.html"),
    "report --served": (
        *("report", "chat.npz", "--k", 5, *FORECAST[2:]),
        *("--served", "other.npz", "--out", "r.html"),
    ),
    "card --served": (
        *("card", "chat.npz", "--k", 5, *FORECAST[2:]),
        *("--served", "other.npz", "--out", "card.md"),
    ),
    "select": ("select", "chat.npz", "other.npz", "--draft", "llama-3.1-8b"),
    "compare": ("compare", "list.txt", "list.txt", "--counts", "chat.npz", "other.npz"),
    "extend": ("extend", "list.txt", "--counts", "chat.npz", "other.npz", "--add", 5),
    "extend --on": ("extend", "list.txt", "--counts", "chat.npz", "--on", "other.npz", "--add", 5),
    "balance": ("balance", "list.txt", "--counts", "chat.npz", "other.npz", "--ranks", 2),
}


@pytest.fixture
def two_sets(make_counts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("\n".join(map(str, range(64))))
    values = np.arange(V) % 97 + 1
    make_counts(values).save("chat.npz")
    make_counts(values, tokenizer="elsewhere", tokenizer_sha256="zz").save("other.npz")


@pytest.mark.parametrize("path", PATHS)
def test_a_text_counted_with_another_tokenizer_is_refused(refused, two_sets, path):
    sentence = refused(*PATHS[path])
    assert "tokenizer" in sentence, sentence
    assert "other.npz cannot be compared with chat.npz" in sentence
    assert "elsewhere (zz), not tiny (t)" in sentence
