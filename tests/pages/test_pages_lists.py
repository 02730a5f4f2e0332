"""Generalize: languages, lists that grow, rows per rank; each against the command's own result."""

# ruff: noqa: F811
from __future__ import annotations

import json
import shlex
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from helpers.languages_talks import answers
from test_pages_generalize import home, made, opened, sets, started, words  # noqa: F401

from vocabtrim_core.cli import main
from vocabtrim_core.counting.response_files import keep_responses
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

K = 900


def table_of(app, column: str):
    """The table that has this column."""
    return next(frame.value for frame in app.dataframe if column in frame.value)


def from_the_command(app, capsys, verb: str, out) -> dict:
    """What the command that the page prints returns."""
    lines = [shlex.split(code.value) for code in app.code]
    argv = next(line[3:] for line in lines if line[:3] == ["python", "-m", "vocabtrim_core"])
    assert argv[0] == verb
    if "--out" in argv:
        argv[argv.index("--out") + 1] = str(out)
    capsys.readouterr()
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_list_grows_as_the_command_grows_it(sets, capsys, tmp_path):
    app = opened("generalize", sets, "Extend", k=str(K))
    app.multiselect(key="extend_from").set_value([sets["code"].key]).run()
    app.number_input(key="extend_add").set_value(300).run()
    app.multiselect(key="extend_protect").set_value(["bytes"]).run()
    assert not app.exception
    result = from_the_command(app, capsys, "extend", tmp_path / "ids.json")
    rows = table_of(app, "Best of this size").set_index("Set")
    for change in result["coverage"]:
        shown = rows.loc[change["name"]]
        assert shown["Before"] == pytest.approx(100 * change["before"])
        assert shown["After"] == pytest.approx(100 * change["after"])
        assert shown["Missing"] == change["missing"]
    assert result["added"] + result["pinned"] == 300
    assert f"{K:,} tokens grow to {result['k']:,}" in words(app)
    app.button(key="use_extended").click().run()
    assert app.session_state["own_vocabularies"]["extended"].vocabulary.sha256 == result["sha256"]
    assert app.selectbox(key="vocabulary_kind").value == "extended"


def test_budgets_that_cannot_be_met(sets, capsys, tmp_path):
    app = opened("generalize", sets, "Extend", k=str(K))
    app.segmented_control(key="extend_budget").set_value("Size to reach").run()
    app.number_input(key="extend_k").set_value(K - 1).run()
    assert "every token of a list stays" in words(app)
    app.segmented_control(key="extend_budget").set_value("Coverage to reach").run()
    app.number_input(key="extend_coverage").set_value(100.0).run()
    assert "A larger k cannot help on the added traffic" in words(app)
    result = from_the_command(app, capsys, "extend", tmp_path / "ids.json")
    assert result["coverage"][0]["after"] == 1
    app.multiselect(key="extend_from").set_value([]).run()
    assert "Choose the traffic" in words(app)


def test_rows_are_evened_as_the_command_evens_them(sets, capsys, tmp_path):
    app = opened("generalize", sets, "Ranks", k=str(K))
    assert app.multiselect(key="balance_protect").value == ["specials", "bytes"]
    app.number_input(key="balance_ranks").set_value(4).run()
    app.number_input(key="balance_lost").set_value(2.0).run()
    assert not app.exception
    result = from_the_command(app, capsys, "balance", tmp_path / "even.json")
    rows = table_of(app, "Rows after")
    assert rows["Rows before"].tolist() == result["rows_before"]
    assert rows["Rows after"].tolist() == result["rows_after"]
    assert max(result["rows_after"]) < max(result["rows_before"])
    app.button(key="use_even").click().run()
    assert app.session_state["own_vocabularies"]["even"].vocabulary.sha256 == result["sha256"]


@pytest.fixture
def spoken(sets) -> TokenCounts:
    """A set of English and German answers, counted as the others are."""
    tokenizer = load_tokenizer("llama-3.1")
    texts = [*answers("English", 30), *answers("German", 12)]
    rows = [tokenizer.ids(text) for text in texts]
    ids = np.array([i for row in rows for i in row], np.uint32)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    n = len(rows)
    none = np.full(n, -1, np.int16)
    responses = Responses(ids, offsets, np.arange(n), none, (), tokenizer.vocab_size)
    about = sets["chat"].provenance
    corpora = ({"name": "spoken", "sha256": "spoken", "conversations": n},)
    counts = TokenCounts(responses.counts(), n, 0, replace(about, corpora=corpora))
    save_counts(counts)
    keep_responses(counts.key, responses)
    return counts


@pytest.mark.skipif(find_spec("py3langid") is None, reason="needs the package py3langid")
def test_the_worst_language_is_named(sets, spoken, capsys, tmp_path):
    app = opened("generalize", {"chat": spoken}, "Languages", k="60")
    assert not app.exception
    result = from_the_command(app, capsys, "languages", tmp_path)
    shown = table_of(app, "Language").set_index("Language")
    first = result["sets"][0]
    assert {row["domain"]: row["conversations"] for row in first["languages"]} == {
        "English": 30,
        "German": 12,
    }
    for row in first["languages"]:
        assert shown.loc[row["domain"], "Coverage"] == pytest.approx(100 * row["coverage"])
    assert f"{first['worst']} is covered worst" in words(app)
    scripts = table_of(app, "Script").set_index("Script")
    for row in first["scripts"]:
        assert scripts.loc[row["script"], "Coverage"] == pytest.approx(100 * row["coverage"])


def test_without_the_detector_the_page_says_what_to_install(sets, monkeypatch):
    from pages.ui.generalize import languages_view
    from vocabtrim_core.generalization import languages

    def missing(name: str):
        raise ModuleNotFoundError(f"No module named {name!r}", name="py3langid")

    languages._detector.cache_clear()
    languages_view.labelled.clear()
    languages_view.by_language.clear()
    monkeypatch.setattr(languages, "import_module", missing)
    app = opened("generalize", sets, "Languages", k="61")
    assert "This needs the Python package py3langid" in words(app)
