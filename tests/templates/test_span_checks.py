"""What guards a count: rows that the template refuses, where turns end, and spans found wrong."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.span_kinds import CHATML, FIVE, KINDS, LLAMA, SUM, Kind, call
from helpers.template_kit import TWO_TURNS
from tokenizers import Tokenizer

from vocabtrim_core.cli import main
from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.count import count
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.fast_path import Frame
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.templates.turns import TurnFinder
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

TWO_CALLS = call({"of": "Elbrus"})
TWO_CALLS = TWO_CALLS | {"tool_calls": TWO_CALLS["tool_calls"] * 2}
REFUSED = {"messages": [SUM, TWO_CALLS, SUM, FIVE]}  # llama3 writes one call in a turn
PLAIN = {"messages": [SUM, FIVE]}
SAID = "the chat template refuses the conversation (a Llama turn calls one tool, but this one has 2"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model(home: Path, jinja: str = LLAMA) -> Path:
    return Kind({}, "", jinja, specials={"bos_token": "<|begin_of_text|>"}).folder(home / "model")


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def as_counter(counts: TokenCounts) -> Counter:
    return Counter({int(i): int(counts.counts[i]) for i in np.flatnonzero(counts.counts)})


def cli(capsys, *argv) -> tuple[int, dict]:
    code = main([*map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


# --- rows that the template refuses -------------------------------------------------------------


def test_refused_rows_are_left_out_and_said(home, capsys):
    model(home)
    write(home / "some.jsonl", *[PLAIN] * 3, REFUSED, PLAIN, REFUSED)
    line = ("count", "--tokenizer", "model", "--template", "llama3", "--data", "some.jsonl")
    code, made = cli(capsys, *line, "--max-refused", "0.4")
    assert (code, made["conversations"], made["skipped"]) == (0, 4, 2)
    (skip,) = made["skips"]
    assert (skip["rows"], skip["places"]) == (2, ["some.jsonl:4", "some.jsonl:6"])
    assert skip["reason"].startswith(SAID)
    backend = Tokenizer.from_file("model/tokenizer.json")
    assert made["tokens"] == 4 * len(backend.encode("5<|eot_id|>", add_special_tokens=False).ids)


def test_more_refused_rows_than_allowed_are_an_error(home, capsys):
    model(home)
    write(home / "some.jsonl", *[PLAIN] * 3, REFUSED)
    line = ("count", "--tokenizer", "model", "--template", "llama3", "--data", "some.jsonl")
    code, made = cli(capsys, *line)
    assert code == 2
    assert made["error"].startswith(
        "some: 25.0% of the conversations (1) are left out, where 1.0% may be (some.jsonl:4: "
        + SAID
    )
    assert "\n" not in made["error"]
    assert made["error"].endswith("or allow a larger share (--max-refused).")


def test_kept_counts_are_refused_under_a_smaller_share(home, capsys):
    model(home)
    write(home / "some.jsonl", *[PLAIN] * 3, REFUSED)
    line = ("count", "--tokenizer", "model", "--template", "llama3", "--data", "some.jsonl")
    assert cli(capsys, *line, "--max-refused", "0.25")[0] == 0
    assert cli(capsys, *line, "--max-refused", "0.25")[1]["cached"] is True
    code, made = cli(capsys, *line, "--max-refused", "0.2")
    assert code == 2
    assert "where 20.0% may be" in made["error"]


def test_a_share_that_is_none(home):
    write(home / "some.jsonl", PLAIN)
    tokenizer = load_tokenizer(model(home))
    with pytest.raises(InputError, match=r"refused is between 0 and 1, not 1\.5"):
        count(open_corpus("some.jsonl"), tokenizer, resolve_template(tokenizer), most_refused=1.5)


# --- where turns end ----------------------------------------------------------------------------


def ended(home: Path, *span_ends: str) -> list[TokenCounts]:
    """Counts of one corpus whose turns end in different ways."""
    tokenizer = load_tokenizer(model(home, CHATML))
    corpus = open_corpus(write(home / "some.jsonl", {"messages": TWO_TURNS}))
    return [count(corpus, tokenizer, resolve_template(tokenizer, "auto", end)) for end in span_ends]


def of_earlier_version(path: Path) -> TokenCounts:
    """A counts file as it was before it said where turns end."""
    with np.load(path, allow_pickle=False) as archive:
        counts, meta = archive["counts"], json.loads(str(archive["meta"]))
    del meta["provenance"]["span_end"]
    np.savez(path, counts=counts, meta=np.array(json.dumps(meta)))
    return TokenCounts.load(path)


def test_counts_say_where_turns_end(home):
    stop, template, role = ended(home, "stop", "template", "next-role")
    ends = [counts.provenance.span_end for counts in (stop, template, role)]
    assert ends == ["stop", "template", "next-role"]
    backend = load_tokenizer("model").backend
    (newline,) = backend.encode("\n", add_special_tokens=False).ids
    assert as_counter(template) - as_counter(stop) == Counter({newline: 2})
    assert as_counter(role) == as_counter(stop)  # every turn has its stop token
    assert len({counts.key for counts in (stop, template, role)}) == 3


def test_turns_that_end_in_different_ways_do_not_merge(home, capsys):
    stop, template = ended(home, "stop", "template")
    with pytest.raises(InputError, match="differently: span end is stop against template; count"):
        stop + template
    stop.save("stop.npz")
    template.save("template.npz")
    code, made = cli(capsys, "merge", "stop.npz", "template.npz", "--out", "both.npz")
    assert code == 2
    assert "span end is stop against template" in made["error"]


def test_counts_of_an_earlier_version_merge_among_themselves_alone(home):
    (stop,) = ended(home, "stop")
    old = of_earlier_version(stop.save(home / "old.npz"))
    said = "span end is stop against as an earlier version of this program had it"
    with pytest.raises(InputError, match=said):
        stop + old
    assert (old + old).counts.tolist() == (2 * stop.counts).tolist()
    assert old.key != stop.key
    again = TokenCounts.load(old.save(home / "again.npz"))
    assert again.key == old.key


def test_an_end_that_is_none(home):
    tokenizer = load_tokenizer(model(home))
    with pytest.raises(InputError, match="no span end line; choose one of stop, template, next-ro"):
        resolve_template(tokenizer, "auto", "line")


# --- spans found wrong --------------------------------------------------------------------------


def turns(finder: TurnFinder, *arguments, find=TurnFinder.turns):
    """As the finder finds them, but each begins a character late."""
    found = find(finder, *arguments)
    return found and [turn._replace(start=turn.start + 1) for turn in found]


@pytest.mark.parametrize(
    "name", ["no end token", "channels", "null content and a string", "reasoning", "two users"]
)
def test_a_finder_that_errs_is_not_believed(home, monkeypatch, name):
    kind = KINDS[name]
    tokenizer = load_tokenizer(kind.folder(home / "model"))
    template = resolve_template(tokenizer, kind.named)
    corpus = open_corpus(kind.file(home / "row.jsonl"))
    right = count(corpus, tokenizer, template)
    assert right.provenance.proof["passed"] == []
    monkeypatch.setattr(TurnFinder, "turns", turns)
    found = count(corpus, tokenizer, template, cache=False)
    assert as_counter(found) == as_counter(right)
    proof = found.provenance.proof
    (passed,) = proof["passed"]
    assert passed.startswith("the quick way to counted spans (row.jsonl, line 1, message ")
    assert "the definition's" in passed
    assert f"Not used: {passed}" in proof["details"]


def test_a_turn_that_holds_a_result_is_not_believed(home, monkeypatch):
    """Each turn alone is right; with what follows it, it reaches to the next message."""
    kind = KINDS["no end token"]
    tokenizer = load_tokenizer(kind.folder(home / "model"))
    template = resolve_template(tokenizer, kind.named)
    corpus = open_corpus(kind.file(home / "row.jsonl"))
    right = count(corpus, tokenizer, template)

    def reaching(finder, rendered, *arguments, find=TurnFinder.turns):
        found = find(finder, rendered, *arguments)
        later = [turn.start for turn in found[1:]]
        return [
            t._replace(stop=at, end=at, tail=at) for t, at in zip(found, later, strict=False)
        ] + (found[-1:])

    monkeypatch.setattr(TurnFinder, "turns", reaching)
    found = count(corpus, tokenizer, template, cache=False)
    assert as_counter(found) == as_counter(right)
    (passed,) = found.provenance.proof["passed"]
    assert "(role tool): its text '5642 metres' would count as the assistant's" in passed


@pytest.mark.parametrize("last", [False, True])
def test_a_frame_that_errs_is_not_believed(home, last):
    tokenizer = load_tokenizer(model(home, CHATML))
    template = resolve_template(tokenizer)
    corpus = open_corpus(write(home / "some.jsonl", *[{"messages": TWO_TURNS}] * 3))
    right = count(corpus, tokenizer, template)
    inside, end = template.frames("assistant")
    wrong = Frame(after=(inside.after[0], inside.after[0]))
    frames = {**template.fast_path.frames, "assistant": (inside, wrong) if last else (wrong, end)}
    erring = replace(template, fast_path=replace(template.fast_path, frames=frames))
    found = count(corpus, tokenizer, erring, cache=False)
    assert as_counter(found) == as_counter(right)
    (passed,) = found.provenance.proof["passed"]
    assert passed.startswith("the quick way to counted spans (some.jsonl, line 1: ")
    assert "counted ids are not the" in passed
