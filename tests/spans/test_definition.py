# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""The definition itself: against spans written by hand, transformers' masks, and sentinels."""

from __future__ import annotations

import pytest
from helpers.spans import packages
from helpers.spans.conversations import SENTINEL, Writer, conversations, table
from helpers.spans.definition import RefusedError, counted, ids_in, misplaced
from helpers.spans.families import PARAMS, load
from hypothesis import HealthCheck, given, settings

CONVERSATIONS = table()
CALL = {"type": "function", "function": {"name": "lookup", "arguments": {"q": "Baikal"}}}
TOOL_CHAT = [
    {"role": "user", "content": "How deep?"},
    {"role": "assistant", "content": None, "reasoning_content": "Look.", "tool_calls": [CALL]},
    {"role": "tool", "content": "1642 m"},
    {"role": "assistant", "content": "Deep."},
    {"role": "user", "content": "Thanks"},
    {"role": "assistant", "content": "Welcome.", "reasoning_content": "Polite."},
]
ARGUMENTS = '{"q": "Baikal"}'
EMPTY = "<think>\n\n</think>\n\n"
XML = (
    "<tool_call>\n<function=lookup>\n<parameter=q>\nBaikal\n</parameter>\n</function>\n</tool_call>"
)
GLM_CALL = "<tool_call>lookup\n<arg_key>q</arg_key>\n<arg_value>Baikal</arg_value>\n</tool_call>"
END = "<｜end▁of▁sentence｜>"
BY_HAND = {
    "qwen3": [
        f'<tool_call>\n{{"name": "lookup", "arguments": {ARGUMENTS}}}\n</tool_call><|im_end|>',
        "Deep.<|im_end|>",
        "<think>\nPolite.\n</think>\n\nWelcome.<|im_end|>",
    ],
    "gptoss": [
        f" to=functions.lookup<|channel|>commentary json<|message|>{ARGUMENTS}<|call|>",
        "<|channel|>final<|message|>Deep.<|end|>",
        "<|channel|>analysis<|message|>Polite.<|end|><|start|>assistant<|channel|>final<|message|>"
        "Welcome.<|return|>",
    ],
    "gemma4": [
        '<|tool_call>call:lookup{q:<|"|>Baikal<|"|>}<tool_call|>',
        "Deep.<turn|>",
        "Welcome.<turn|>",
    ],
    "glm45": [
        f"\n<think></think>\n{GLM_CALL}",
        "\n<think></think>\nDeep.",
        "\n<think>Polite.</think>\nWelcome.",
    ],
    "glm5": [f"</think>\n{GLM_CALL}", "</think>\nDeep.", "Polite.</think>\nWelcome."],
    "qwen3_6": [f"{XML}<|im_end|>", "Deep.<|im_end|>", "Polite.\n</think>\n\nWelcome.<|im_end|>"],
    "qwen3_coder": [f"{XML}<|im_end|>", "Deep.<|im_end|>", "Welcome.<|im_end|>"],
    "deepseek_v3": [
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>lookup\n```json\n"
        f"{ARGUMENTS}\n```<｜tool▁call▁end｜>",
        f"Deep.{END}",
        f"Welcome.{END}",
    ],
    "deepseek_r1": [
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>lookup<｜tool▁sep｜>{ARGUMENTS}"
        f"<｜tool▁call▁end｜><｜tool▁calls▁end｜>{END}",
        f"Deep.{END}",
        f"Welcome.{END}",
    ],
    "llama3_1": [
        f'{{"name": "lookup", "parameters": {ARGUMENTS}}}<|eot_id|>',
        "Deep.<|eot_id|>",
        "Welcome.<|eot_id|>",
    ],
    "llama3_1_python": [
        '<|python_tag|>lookup.call(q="Baikal")<|eom_id|>',
        "Deep.<|eot_id|>",
        "Welcome.<|eot_id|>",
    ],
    "mistral_v13": [
        f"[THINK]Look.[/THINK][TOOL_CALLS]lookup[ARGS]{ARGUMENTS}</s>",
        "Deep.</s>",
        "[THINK]Polite.[/THINK]Welcome.</s>",
    ],
    "kimi": [
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.lookup:0"
        f"<|tool_call_argument_begin|>{ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>"
        "<|im_end|>",
        "Deep.<|im_end|>",
        "Welcome.<|im_end|>",
    ],
    "marks_qwen3": [
        f'<think>\nLook.\n</think>\n\n\n<tool_call>\n{{"name": "lookup", "arguments": {ARGUMENTS}}}'
        "\n</tool_call><|im_end|>",
        f"{EMPTY}Deep.<|im_end|>",
        "<think>\nPolite.\n</think>\n\nWelcome.<|im_end|>",
    ],
    "marks_llama3": [
        f'{{"name": "lookup", "parameters": {ARGUMENTS}}}<|eot_id|>',
        "Deep.<|eot_id|>",
        "Welcome.<|eot_id|>",
    ],
    "gemma3": None,  # refuses tool turns
    "llama2": None,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_conversation_with_tools_and_thoughts_by_hand(name):
    rules = load(name).rules
    if BY_HAND[name] is None:
        with pytest.raises(RefusedError):
            counted(rules, TOOL_CHAT)
    else:
        assert counted(rules, TOOL_CHAT).texts == BY_HAND[name]


def test_an_opening_turn_where_the_prompt_of_no_messages_differs():
    """Llama 3 writes its first token with the first message, so not before a prompt alone."""
    rules = load("llama3").rules
    found = counted(rules, [{"role": "assistant", "content": "Hi."}])
    assert found.texts == ["Hi.<|eot_id|>"]


def test_assistant_turns_that_a_template_merges_are_one_span():
    rules = load("mistral_v13").rules
    chat = [("user", "Go"), ("assistant", "One."), ("assistant", "Two."), ("user", "On")]
    found = counted(rules, [{"role": role, "content": text} for role, text in chat])
    assert found.texts == ["One.\n\nTwo.</s>"]


@pytest.fixture(scope="module", params=PARAMS)
def rules(request):
    """Tests run family by family, one tokenizer in memory at a time."""
    return load(request.param).rules


def test_sentinels_of_the_table(rules):
    """Each text of the assistant that is written is inside a span, no other one is."""
    wrong, rendered = {}, 0
    for conversation in CONVERSATIONS:
        try:
            found = counted(rules, conversation.messages, conversation.tools)
        except RefusedError:
            continue
        rendered += 1
        bos = rules.special_tokens.get("bos_token")
        forged = bos and bos in str(conversation.messages)
        assert not (bos and any(bos in text for text in found.texts)) or forged, conversation.name
        bad = misplaced(found, conversation.messages, conversation.tools, SENTINEL)
        if bad:
            wrong[conversation.name] = bad
    assert not wrong
    assert rendered >= 40  # Gemma 3 and Llama 2 want user and assistant in turns, without tools


def test_sentinels_of_random_conversations(rules):
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(conversations())
    def holds(conversation):
        try:
            found = counted(rules, conversation.messages, conversation.tools)
        except RefusedError:
            return
        assert not misplaced(found, conversation.messages, conversation.tools, SENTINEL)

    holds()


@pytest.mark.parametrize("name", ["marks_llama3", "marks_qwen3"])
def test_marked_templates_against_transformers_masks(name):
    """Ids of the spans are those that transformers' own assistant mask marks."""
    family = load(name)
    for conversation in CONVERSATIONS:
        found = counted(family.rules, conversation.messages, conversation.tools)
        if any(message.get("weight") == 0 for message in conversation.messages):
            continue
        out = family.hf.apply_chat_template(
            found.messages,
            tools=conversation.tools,
            chat_template=family.rules.jinja,
            return_assistant_tokens_mask=True,
            return_dict=True,
        )
        mask = out["assistant_masks"]
        theirs = [i for i, marked in zip(out["input_ids"], mask, strict=True) if marked]
        ids, offsets = family.encode(found.text)
        assert [i for span in ids_in(ids, offsets, found.spans) for i in span] == theirs, (
            conversation.name
        )


def test_the_definition_without_marks_finds_what_the_marks_say():
    """The two definitions meet on templates whose marks are the definition's own spans."""
    import dataclasses
    import re

    for name in ("marks_llama3", "marks_qwen3"):
        rules = load(name).rules
        unmarked = dataclasses.replace(
            rules,
            jinja=re.sub(
                r"\{%-? (end)?generation -?%\}", "{%- if true -%}{%- endif %}", rules.jinja
            ),
        )
        for conversation in CONVERSATIONS:
            by_marks = counted(rules, conversation.messages, conversation.tools)
            by_prompts = counted(unmarked, conversation.messages, conversation.tools)
            assert by_prompts.text == by_marks.text, (name, conversation.name)
            assert by_prompts.texts == by_marks.texts, (name, conversation.name)


def test_a_list_of_templates_is_chosen_as_transformers_does():
    family = load("hermes")
    w = Writer()
    chat = [w.user("How deep?"), w.answer("", w.call())]
    for tools in (None, w.tools()):
        theirs = family.hf.apply_chat_template(chat, tools=tools, tokenize=False)
        assert family.rules.render(chat, tools) == theirs


def test_packages_are_pinned():
    assert all(package.version and package.digest for package in packages.PACKAGES.values())
