"""`spans`: counted text and SpecForge's loss as a command; remarks wherever counts go."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.span_kinds import Kind

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.count import count
from vocabtrim_core.counting.preflight import preflight
from vocabtrim_core.counts import EARLIER_VERSION, TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.bundle import export
from vocabtrim_core.exports.exporter import ExportContext
from vocabtrim_core.templates.chat_template import SPAN_ENDS
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.vocabulary import DraftVocabulary

CALL = {"id": "a", "type": "function", "function": {"name": "depth", "arguments": '{"of": "Como"}'}}
RICH = [
    {"role": "user", "content": "How deep is it?"},
    {"role": "assistant", "content": None, "reasoning_content": "Look.", "tool_calls": [CALL]},
    {"role": "tool", "content": "425 m", "tool_call_id": "a"},
    {"role": "assistant", "content": "It is 425 m deep."},
]
PLAIN = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
TWO = [RICH[0], {**RICH[1], "tool_calls": [CALL, CALL]}, *RICH[2:]]  # which Llama's form refuses


def rows(path, *chats):
    path.write_text("\n".join(json.dumps({"messages": chat}) for chat in chats))
    return path


@pytest.fixture
def spans(cli):
    """`spans("--template", "qwen")` -> what --json prints."""

    def call(*argv, tokenizer="llama-3.1"):
        code, out, err = cli("spans", "--tokenizer", tokenizer, *argv, "--json")
        assert code == 0, err
        return json.loads(out)

    return call


def texts(found: dict) -> list[str]:
    return [found["text"][start:end] for start, end in found["spans"]]


# --- the command ---------------------------------------------------------------------------------


def test_samples_are_shown_with_the_trainer_beside(spans):
    found = spans("--template", "qwen")
    assert found["specforge"] == ["qwen", "qwen3-instruct", "lfm", "qwen3-thinking"]
    tools, reasoning = found["conversations"]
    call, *answers = texts(tools)
    assert "two berths" in call
    assert answers == ["It leaves at 12:05 from pier 3.<|im_end|>", "They cost 28 euros.<|im_end|>"]
    assert texts(tools["specforge"]) == [f"{text}\n" for text in texts(tools)]
    assert tools["said"] == ["Tool calls: counted.", "Tool results: not counted."]
    assert "Reasoning: not written by the chat template." in reasoning["said"]
    (difference,) = found["differences"]
    assert difference["specforge"] == found["specforge"]
    assert difference["said"] == [
        "The newline after the stop token has loss; the model does not generate it."
    ]


def test_the_end_of_a_span_can_be_the_trainers(spans):
    found = spans("--template", "qwen", "--span-end", "template")
    assert found["span_end"] == "template"
    assert found["differences"] == []
    for each in found["conversations"]:
        assert texts(each) == texts(each["specforge"])


def test_own_conversations_are_shown_with_what_is_lost(spans, tmp_path):
    data = rows(tmp_path / "a.jsonl", RICH, PLAIN, TWO)
    found = spans("--template", "llama3", "--data", data)
    rich, plain, refused = found["conversations"]
    assert [each["title"] for each in found["conversations"]] == [
        f"a.jsonl, row {n}" for n in (1, 2, 3)
    ]
    assert texts(plain) == ["Ho<|eot_id|>"]
    assert rich["said"] == ["1 turn: reasoning that the chat template does not write."]
    assert (refused["text"], refused["specforge"]) == ("", None)
    assert "a Llama turn calls one tool, but this one has 2" in refused["said"][0]
    assert len(spans("--template", "llama3", "--data", data, "--first", 2)["conversations"]) == 2


# gpt-oss and Llama 3.1 write the first call alone, and no words beside it.
ONE_CALL = """\
{%- for m in messages -%}
<|im_start|>{{ m.role }}
{% if m.tool_calls -%}{{ m.tool_calls[0].function.name }}{%- else -%}{{ m.content }}{%- endif -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""
CALLS = "1 turn: tool calls that the chat template does not write."
WORDS = "1 turn: text beside tool calls that the chat template does not write."


@pytest.mark.parametrize(
    ("names", "content", "said"),
    [
        (["look"], None, []),
        (["look", "look"], None, [CALLS]),
        (["look", "find"], "", [CALLS]),
        (["look"], "I look.", [WORDS]),
        (["look", "look"], "I look.", [CALLS, WORDS]),
        (["look"], "<think>\nHm.\n</think>\n\nlook", []),
    ],
)
def test_what_is_beside_the_first_call_is_said(spans, tmp_path, names, content, said):
    calls = [{"type": "function", "function": {"name": name, "arguments": {}}} for name in names]
    answer = {"role": "assistant", "content": content, "tool_calls": calls}
    chat = [{"role": "user", "content": "Hey"}, answer]
    folder = Kind({}, "", ONE_CALL).folder(tmp_path / "model")
    data = rows(tmp_path / "a.jsonl", chat)
    (found,) = spans("--data", data, tokenizer=folder)["conversations"]
    assert found["said"] == said


def test_text_for_people_has_its_spans_between_brackets(cli):
    code, out, _ = cli("spans", "--tokenizer", "llama-3.1")
    assert code == 0
    assert "⟦They cost 28 euros.<|eot_id|>⟧" in out
    assert "SpecForge computes the loss on the counted text and on nothing else here." in out
    _, out, _ = cli("spans", "--tokenizer", "tekken")
    assert "SpecForge has no template with the headers of this chat template." in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--specforge", "nope"], "no template nope with a parser; choose one of llama3"),
        (["--specforge", "deepseek-r1-distill"], "no template deepseek-r1-distill with a parser"),
        (["--span-end", "nope"], "no span end nope; choose one of stop, template, next-role"),
        (["--rule", "nope"], "no counting rule nope"),
        (["--first", "0"], "--first must be at least 1, but it is 0"),
        (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_bad_input_is_one_sentence(cli, argv, said):
    code, out, err = cli("spans", "--tokenizer", "llama-3.1", *argv)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


# --- before a count ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama():
    tokenizer = load_tokenizer("llama-3.1")
    return tokenizer, resolve_template(tokenizer, "llama3")


@pytest.mark.parametrize(
    ("chats", "refused", "reasoning"),
    [
        ([PLAIN] * 9 + [RICH], 0, 1),
        ([PLAIN] * 9 + [TWO], 1, 0),
        ([TWO, *[PLAIN] * 8, RICH, RICH, TWO], 2, 2),
        ([PLAIN] * 5, 0, 0),
    ],
)
def test_the_pre_flight_meets_what_the_count_meets(tmp_path, llama, chats, refused, reasoning):
    corpus = open_corpus(rows(tmp_path / "a.jsonl", *chats))
    found = preflight(corpus, *llama)
    counts = count(corpus, *llama, most_refused=1.0, cache=False, responses=False)
    assert found.refused.skipped == counts.skipped == refused
    assert found.refused_share == pytest.approx(refused / len(chats))
    as_counted = {r: (n, p) for r, n, p in counts.provenance.remarks("notes")}
    assert {r: (n, p) for r, n, p in found.unwritten.reasons} == as_counted
    assert sum(n for n, _ in as_counted.values()) == reasoning
    of_count = {r: (n, p) for r, n, p in counts.provenance.remarks("skipped")}
    assert {r: (n, p) for r, n, p in found.refused.reasons} == of_count


def test_the_share_of_a_sample_stands_for_all(tmp_path, llama):
    """One conversation in four is refused, one in two needs no rendering."""
    chats = [(PLAIN, TWO, PLAIN, RICH)[n % 4] for n in range(4000)]
    found = preflight(open_corpus(rows(tmp_path / "a.jsonl", *chats)), *llama)
    assert 0 < found.rendered < 2000
    assert 0.15 < found.refused_share < 0.35


def test_a_length_limit_leaves_refused_conversations_out(tmp_path, llama):
    corpus = open_corpus(rows(tmp_path / "a.jsonl", PLAIN, TWO))
    assert preflight(corpus, *llama, max_length=5).length.sample == 1


# --- after a count -------------------------------------------------------------------------------


def told(made: TokenCounts, span_end: str, rule: str = "assistant") -> TokenCounts:
    """The counts with a remark, and turns that end there."""
    corpus = {
        **made.provenance.corpora[0],
        "notes": [["images", 7, ["a.jsonl:9"]]],
        "skipped": [["no assistant text", 2, ["a.jsonl:4"]]],
    }
    about = replace(made.provenance, span_end=span_end, rule=rule, corpora=(corpus,))
    return replace(made, provenance=about, skipped=2)


WORDS = {
    "stop": "through the stop token",
    "template": "through all that the template writes for the turn",
    "next-role": "through the stop token, or the next role's marker where there is none",
    EARLIER_VERSION: "counted by an earlier version, spans found by strings around turns",
}


@pytest.mark.parametrize("span_end", WORDS)
def test_an_export_says_how_far_turns_go_and_what_is_not_in_the_counts(
    tmp_path, make_counts, span_end
):
    assert set(WORDS) == {*SPAN_ENDS, EARLIER_VERSION}
    counts = told(make_counts(np.arange(1, 400)), span_end)
    vocabulary = DraftVocabulary.of(np.arange(10), counts.vocab_size)
    export(vocabulary, ["ids"], tmp_path / "out", ExportContext(counts=counts))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"]["span_end"] == span_end
    assert manifest["counts"]["turn_end"] == WORDS[span_end]
    assert manifest["counts"]["corpora"][0]["notes"] == [["images", 7, ["a.jsonl:9"]]]
    text = " ".join((tmp_path / "out" / "README.txt").read_text().split())
    assert WORDS[span_end] in text
    assert "Not in the counts, 7 times: images (a.jsonl:9)." in text
    assert "Left out: 2 rows; manifest.json says why and which" in text


def test_how_far_turns_go_is_said_where_the_rule_does_not(make_counts):
    made = make_counts([1, 2])
    assert told(made, "stop", "content").provenance.turn_end == ""
    assert told(made, EARLIER_VERSION, "content").provenance.turn_end == WORDS[EARLIER_VERSION]


def test_sets_whose_turns_end_elsewhere_neither_merge_nor_compare(make_counts, tmp_path, cli):
    sets = {name: told(make_counts([3, 1]), name) for name in ("stop", EARLIER_VERSION)}
    with pytest.raises(InputError, match=f"span end is stop against {EARLIER_VERSION}"):
        sets["stop"] + sets[EARLIER_VERSION]
    files = [made.save(tmp_path / f"{n}.npz") for n, made in enumerate(sets.values())]
    for argv in (
        ["merge", *files, "--out", tmp_path / "c.npz"],
        ["coverage", files[0], "--k", 1, "--on", files[1]],
    ):
        code, _, err = cli(*argv)
        assert code == 2
        assert "span end is" in err


def test_a_text_that_the_trainer_writes_otherwise_is_said(spans, tmp_path):
    """Arguments that are no JSON: SpecForge replaces them by an empty object."""
    function = {"name": "python", "arguments": "print(1)"}
    call = {"role": "assistant", "content": None, "tool_calls": [{**CALL, "function": function}]}
    found = spans("--data", str(rows(tmp_path / "rows.jsonl", [RICH[0], call, *RICH[2:]])))
    (conversation,) = found["conversations"]
    assert "print(1)" in texts(conversation)[0]
    assert "print(1)" not in texts(conversation["specforge"])[0]
    said = " ".join(sentence for group in found["differences"] for sentence in group["said"])
    assert "SpecForge writes" in said
    assert "print(1)" in said
    same = spans("--data", str(rows(tmp_path / "same.jsonl", PLAIN)))
    assert not same["differences"]
