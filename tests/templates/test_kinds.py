"""Every kind of `span_kinds`, counted as a text, as ids, on the command line and on the page."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers import APP
from helpers.lazy import Lazy
from helpers.real_data import new_home
from helpers.span_kinds import ASK, KINDS, ONLY_TOOLS, SAY, Kind
from helpers.span_kinds_edges import EDGES

from vocabtrim_core import workspace
from vocabtrim_core.cli import main
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.count import count
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

ALL = KINDS | EDGES
testing = Lazy("streamlit.testing.v1")


@pytest.fixture(params=ALL)
def kind(request, tmp_path, monkeypatch) -> Kind:
    """In a workspace of its own that knows what was found out about templates, as any later one."""
    probed = workspace.folder("templates")
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    (workspace.home() / "templates").symlink_to(probed)
    return ALL[request.param]


def right_ids(folder: Path, kind: Kind) -> Counter:
    """Of the text by hand: ids of the tokens that begin in a counted span, by HF tokenizers."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoding = made.encode(kind.text, add_special_tokens=False)
    return Counter(
        id_
        for id_, (at, _) in zip(encoding.ids, encoding.offsets, strict=True)
        if any(start <= at < end for start, end in kind.spans)
    )


def test_spans_text_and_ids(kind, tmp_path):
    folder = kind.folder(tmp_path / "model")
    tokenizer = load_tokenizer(folder)
    template = resolve_template(tokenizer, kind.named, kind.span_end)
    corpus = open_corpus(kind.file(tmp_path / "row.jsonl"))
    (batch,) = corpus.batches()
    if batch.preformatted:
        text = batch.contents[0].as_py()
        spans = template.find_spans(text, "assistant")
    else:
        text, spans = template.spans(batch.messages(0), "assistant", tools=batch.tools(0))
    assert text == kind.text
    assert [text[start:end] for start, end in spans] == kind.counted
    assert spans == kind.spans
    counts = count(corpus, tokenizer, template)
    found = {int(i): int(counts.counts[i]) for i in np.flatnonzero(counts.counts)}
    assert found == right_ids(folder, kind)


def test_on_the_command_line(kind, tmp_path, capsys):
    folder, file = kind.folder(tmp_path / "model"), kind.file(tmp_path / "row.jsonl")
    line = [
        "count",
        "--tokenizer",
        str(folder),
        "--data",
        str(file),
        "--json",
        "--template",
        kind.named,
        "--span-end",
        kind.span_end,
    ]
    assert main(line) == 0
    made = json.loads(capsys.readouterr().out)
    right = right_ids(folder, kind)
    assert (made["tokens"], made["distinct"]) == (right.total(), len(right))
    assert (made["conversations"], made["skipped"], made["span_end"]) == (1, 0, kind.span_end)


@pytest.mark.parametrize("tool_use", ["", "alone"])
def test_rows_without_tools_where_the_template_needs_them(tool_use, tmp_path, capsys):
    kind = Kind({"messages": [ASK, SAY]}, "", ONLY_TOOLS, tool_use=tool_use)
    folder, file = kind.folder(tmp_path / "model"), kind.file(tmp_path / "row.jsonl")
    assert main(["count", "--tokenizer", str(folder), "--data", str(file)]) == 2
    said = capsys.readouterr().err
    assert "chat template writes no conversation without tools" in said
    assert "row.jsonl:1" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", [name for name, kind in ALL.items() if kind.page])
def test_on_the_page(name, tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(new_home(tmp_path / "home")))
    kind = ALL[name]
    app = (
        testing.AppTest.from_file(str(APP), default_timeout=60)
        .run()
        .switch_page("pages/corpus.py")
        .run()
    )
    app.segmented_control(key="tok_source").set_value("Path").run()
    app.text_input(key="tok_path").set_value(str(kind.folder(tmp_path / "model"))).run()
    app.segmented_control(key="corpus_source").set_value("Path").run()
    app.text_area(key="corpus_paths").set_value(str(kind.file(tmp_path / "row.jsonl"))).run()
    assert not app.exception
    shown = [
        json.loads(e.proto.json) for e in app.get("bidi_component") if "pieces" in e.proto.json
    ]
    pieces = next(each["pieces"] for each in shown if "Conversation of row 1" in each["alt"])
    assert [text for text, what, _ in pieces if what == "counted"] == kind.counted
    assert "".join(text for text, _, _ in pieces) == kind.text
