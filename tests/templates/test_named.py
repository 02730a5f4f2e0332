"""The templates that are known by name: against rendering, and Meta's own jinja."""

from __future__ import annotations

import pytest
from helpers.real_data import messages
from helpers.template_kit import (
    TWO_TURNS,
    counted,
    fast_ids,
    reference_ids,
    user,
)
from helpers.tokenizer_makers import byte_level, write_folder

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer


@pytest.mark.parametrize("name", NAMED)
def test_named_templates(sample, name):
    tokenizer, template = sample(name)
    entry = NAMED[name]
    chat = [{"role": "system", "content": "Be brief."}, *TWO_TURNS]
    text, spans = template.spans(chat, "assistant")
    for (start, end), answer in zip(spans, ("One.", "Two."), strict=True):
        assert text[start:end] == answer + entry.end_of_turn.rstrip("\n")
        assert text[end:].startswith(entry.end_of_turn.removeprefix(text[start:end][len(answer) :]))
        assert text[:start].endswith(entry.header)
    assert entry.user_header in text
    assert "Be brief." in text
    assert (template.name, template.warnings) == (name, ())
    for rule in ("assistant", "content", "reference"):
        fast = fast_ids(tokenizer, template, TWO_TURNS, rule)
        assert fast == reference_ids(tokenizer, template, TWO_TURNS, rule)


@pytest.mark.parametrize("name", NAMED)
def test_named_templates_without_their_tokens(tmp_path, name):
    """Markers that are no tokens are text: still the same spans, with a warning."""
    tokenizer = load_tokenizer(write_folder(tmp_path, byte_level([])))
    template = resolve_template(tokenizer, name)
    assert "counted as ordinary text" in template.warnings[0]
    end = NAMED[name].end_of_turn.rstrip("\n")
    assert counted(template, TWO_TURNS, "assistant") == [f"One.{end}", f"Two.{end}"]
    for content in ("One.", "word", " x", "x\n", "(a)", ""):
        chat = user(content, content)
        fast = fast_ids(tokenizer, template, chat, "assistant")
        assert fast in (None, reference_ids(tokenizer, template, chat, "assistant"))


CALL = {"type": "function", "function": {"name": "sum", "arguments": '{"of": [1, 2]}'}}
TOOLS = [
    {"role": "user", "content": "1+2?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "3"},
    {"role": "assistant", "content": "Three."},
]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("llama3", '{"name": "sum", "parameters": {"of": [1, 2]}}'),
        ("qwen", '<tool_call>\n{"name": "sum", "arguments": {"of": [1, 2]}}\n</tool_call>'),
        ("mistral", '[TOOL_CALLS][{"name": "sum", "arguments": {"of": [1, 2]}}]'),
    ],
)
def test_tool_calls_count(sample, name, call):
    _, template = sample(name)
    assert counted(template, TOOLS, "content") == [call, "Three."]
    assert "3" in template.render(TOOLS)


def test_llama_calls_one_tool_per_turn(sample):
    chat = [TOOLS[0], {"role": "assistant", "tool_calls": [CALL, CALL]}]
    with pytest.raises(InputError, match=r"message 2 \(role assistant\): .* this one has 2 calls"):
        sample("llama3")[1].render(chat)


@pytest.mark.parametrize("calls", ["[oops", "[1]", 7])
def test_tool_calls_that_are_none(sample, calls):
    chat = [TOOLS[0], {"role": "assistant", "tool_calls": calls}]
    with pytest.raises(InputError, match="tool_calls of message 2 are no list of objects"):
        sample("llama3")[1].render(chat)


def test_llama_against_the_real_template(shared):
    """Our jinja and Meta's write the same assistant turns."""
    real = load_tokenizer(shared / "data" / "tokenizers" / "llama-3.1")
    theirs, ours = resolve_template(real), resolve_template(real, "llama3")
    assert theirs.preamble != ours.preamble  # Meta's adds dates; no rule but `all` sees them
    chats = [
        *messages(shared / "data/corpora/function_calling_test.jsonl.gz", 200),
        user("  padded\n\n", "\t\u00a0x\u3000"),
        user("", "last"),
        TOOLS,
        [{"role": "system", "content": " Be brief. "}, *TWO_TURNS],
    ]
    for chat in chats:
        for rule in ("assistant", "content", "reference"):
            assert counted(ours, chat, rule) == counted(theirs, chat, rule)
