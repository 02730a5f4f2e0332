"""Files and links that earlier versions wrote still open.

tests/data/choices holds some of each. They were written over `counts`, 400 small numbers, before
settings, links and options had one table of fields.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
from test_pages import opened

from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.mappings.store import keep
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.vocabulary import DraftVocabulary

KEPT = Path(__file__).parents[1] / "data" / "choices"
NAMES = ("optimum", "everything", "own")
LINKS = json.loads((KEPT / "links.json").read_text("utf-8"))


@pytest.fixture
def counts(make_counts, tmp_path, monkeypatch):
    """The counts they were made on, in a workspace that keeps the vocabulary of `own`."""
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    made = make_counts(9000 // np.arange(1, 401))
    own = DraftVocabulary.of([3, 5, 6, 7, 399], 400)
    keep(own, made, "imported from a friend")
    return made


@pytest.mark.parametrize("name", NAMES)
def test_files_open_and_are_written_as_they_were(counts, name):
    path = KEPT / f"{name}.json"
    choice = SelectionSpec.load(path)
    opened = choice.open(counts)
    text = path.read_text("utf-8")
    assert opened.vocabulary.sha256 == json.loads(text)["vocabulary_sha256"]
    assert choice.dumps() == text


@pytest.mark.parametrize("name", NAMES)
def test_links_open_the_choice_of_the_file(counts, name):
    saved = SelectionSpec.load(KEPT / f"{name}.json")
    assert SelectionSpec.from_query(LINKS[name]["query"], counts) == saved
    assert saved.query() == LINKS[name]["query"]


@pytest.mark.parametrize("form", ["packed", "query"])
@pytest.mark.parametrize("name", NAMES)
def test_addresses_open_the_choice_of_the_file(counts, name, form):
    """As a page gave them, in one parameter, and as the command line printed them."""
    save_counts(counts)
    link = LINKS[name][form]
    app = opened("handover", **({"choice": link} if form == "packed" else link))
    assert not app.exception
    assert not app.error
    saved = SelectionSpec.load(KEPT / f"{name}.json")
    assert f"{saved.k:,} tokens" in [metric.value for metric in app.metric]
    query = dict(parse_qsl(app.query_params["choice"]))
    query.pop("on", None)
    # The pin on counts that are not here is left out, and said; so is a forecast that this draft
    # has no cycle time for, and without one the page has its own.
    gone = {"pins"} if name == "everything" else {"forecast"}
    expected = LINKS[name]["query"]
    assert {k: v for k, v in query.items() if k not in gone} == {
        k: v for k, v in expected.items() if k not in gone
    }
