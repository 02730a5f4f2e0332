# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""Chat templates and counted spans: against transformers, SpecForge and plain rendering."""

from __future__ import annotations

import gzip
import json
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from template_samples import MARKERS, SAMPLES
from tokenizer_makers import byte_level, sentence_piece, write_folder

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import RULES, ids_inside, span_ids
from vocabtrim_core.templates.data import NAMED
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

SPECIALS = {"bos_token": "<s>", "eos_token": "</s>"}
NAMED_MARKERS = [
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eot|>",
    "<|header_start|>", "<|header_end|>", "<|im_sep|>", "<|user|>", "<|assistant|>", "<|system|>",
    "<start_of_turn>", "<end_of_turn>", "<｜end▁of▁sentence｜>", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]",
]  # fmt: skip
TWO_TURNS = [
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "One."},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "Two."},
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """`sample("CHATML")` -> (tokenizer, its template); the tokenizer is byte-level by default."""
    root = tmp_path_factory.mktemp("tokenizers")
    makers = {"bytes": byte_level, "pieces": sentence_piece}
    made = {kind: make([*MARKERS, *NAMED_MARKERS]) for kind, make in makers.items()}

    @cache
    def get(name: str, kind: str = "bytes"):
        jinja = None if name in NAMED else SAMPLES[name]
        folder = write_folder(root / kind / name, made[kind], jinja, tokenizer_config=SPECIALS)
        tokenizer = load_tokenizer(folder)
        return tokenizer, resolve_template(tokenizer, name if name in NAMED else "auto")

    return get


def user(*assistants: str, **more) -> list[dict]:
    turns = ([{"role": "user", "content": "Q"}, {"role": "assistant", "content": a} | more]
             for a in assistants)  # fmt: skip
    return [message for turn in turns for message in turn]


def counted(template, messages, rule, **options) -> list[str]:
    text, spans = template.spans(messages, rule, **options)
    return [text[start:end] for start, end in spans]


def reference_ids(tokenizer, template, messages, rule, **options) -> list[int]:
    text, spans = template.spans(messages, rule, **options)
    found = span_ids(tokenizer, text, spans, masks=template.masks)
    return [i for ids in found for i in ids.tolist()]


def columns(chats: list[list[dict]]):
    """Roles, contents and offsets as in a MessageBatch."""
    messages = [message for chat in chats for message in chat]
    return (
        pa.array([message["role"] for message in messages], pa.string()),
        pa.array([message["content"] for message in messages], pa.large_string()),
        np.cumsum([0, *map(len, chats)]),
    )


def fast_ids(tokenizer, template, messages, rule) -> list[int] | None:
    """Ids without rendering, None where that is not proved."""
    return all_fast_ids(tokenizer, template, [messages], rule)[0]


def all_fast_ids(tokenizer, template, chats, rule) -> list[list[int] | None]:
    roles, contents, offsets = columns(chats)
    slow = template.rendering_rows(roles, contents, offsets, rule)
    written = iter(template.as_rendered(contents).to_pylist())
    found = []
    for chat, rendering in zip(chats, slow, strict=True):
        ids = []
        for at, message in enumerate(chat):
            content = next(written)
            if message["role"] == "assistant":
                ids += tokenizer.ids(content)
                if rule == "assistant" or (rule == "reference" and at == len(chat) - 1):
                    ids += template.end_of_turn_ids
        found.append(None if rendering else ids)
    return found


# --- rules --------------------------------------------------------------------------------------


def test_rules_on_a_rendered_conversation(sample):
    _, template = sample("CHATML")
    text = template.render(TWO_TURNS)
    assert counted(template, TWO_TURNS, "assistant") == ["One.<|im_end|>\n", "Two.<|im_end|>\n"]
    assert counted(template, TWO_TURNS, "content") == ["One.", "Two."]
    assert counted(template, TWO_TURNS, "all") == [text]
    assert counted(template, TWO_TURNS, "reference") == ["One.", "Two.<|im_end|>\n"]
    assert counted(template, TWO_TURNS, "assistant", last_turn_only=True) == ["Two.<|im_end|>\n"]


def test_reference_counts_what_stands_between_two_user_turns(sample):
    _, template = sample("CHATML")
    chat = [
        *TWO_TURNS[:2],
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
        *TWO_TURNS[2:],
    ]
    first, last = counted(template, chat, "reference")
    middle = "One.<|im_end|>\n<|im_start|>tool\n42<|im_end|>\n<|im_start|>assistant\nIt is 42."
    assert (first, last) == (middle, "Two.<|im_end|>\n")
    assert counted(template, chat, "content") == ["One.", "It is 42.", "Two."]


def test_text_that_is_already_rendered(sample):
    _, template = sample("CHATML")
    text = template.render(TWO_TURNS) + "<|im_start|>assistant\ncut off"
    spans = template.find_spans(text, "assistant")
    assert text[slice(*spans[-1])] == "cut off"
    assert len(spans) == 3


def test_an_unknown_rule(sample):
    with pytest.raises(InputError, match="no counting rule answers; choose one of assistant, con"):
        sample("CHATML")[1].spans(TWO_TURNS, "answers")


# --- named templates ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMED)
def test_named_templates(sample, name):
    tokenizer, template = sample(name)
    entry = NAMED[name]
    chat = [{"role": "system", "content": "Be brief."}, *TWO_TURNS]
    text, spans = template.spans(chat, "assistant")
    for (start, end), answer in zip(spans, ("One.", "Two."), strict=True):
        assert text[start:end] == answer + entry.end_of_turn
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
    end = NAMED[name].end_of_turn
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
        *conversations(shared, "function_calling_test", 200),
        user("  padded\n\n", "\t\u00a0x\u3000"), user("", "last"), TOOLS,
        [{"role": "system", "content": " Be brief. "}, *TWO_TURNS],
    ]  # fmt: skip
    for chat in chats:
        for rule in ("assistant", "content", "reference"):
            assert counted(ours, chat, rule) == counted(theirs, chat, rule)


# --- the tokenizer's own template ---------------------------------------------------------------


def test_shape_of_a_plain_template(sample):
    _, template = sample("CHATML")
    assert template.header == "<|im_start|>assistant\n"
    assert template.user_header == "<|im_start|>user\n"
    assert template.end_of_turn == "<|im_end|>\n"
    assert template.preamble == ""
    habits = (template.trims, template.masks, template.alternates, template.drops_thinking)
    assert not any(habits)
    assert template.fast


def test_habits_are_found_by_probing(sample):
    assert sample("SYSTEM_PROMPT")[1].preamble == "<|im_start|>system\nBe kind.<|im_end|>\n"
    strict = sample("STRICT")[1]
    assert strict.alternates
    assert strict.trims
    assert (strict.header, strict.preamble) == (" [/INST]", "<s>")
    thinking = sample("THINKING")[1]
    assert thinking.drops_thinking
    assert thinking.reasoning
    assert sample("R1")[1].drops_thinking
    assert sample("R1")[1].header == "<｜Assistant｜>"
    assert sample("PARTS")[1].parts
    channels = sample("CHANNELS")[1]
    assert channels.thought_header == "<|start|>assistant<|channel|>analysis<|message|>"
    assert (channels.end_of_turn, channels.last_end) == ("<|end|>", "<|return|>")
    plain = sample("PLAIN")[1]
    assert (plain.header, plain.user_header, plain.end_of_turn) == ("Assistant:", "Human: ", "\n\n")


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_counts_both_answers(sample, name, kind):
    _, template = sample(name, kind)
    assert [text.strip() for text in counted(template, TWO_TURNS, "content")] == ["One.", "Two."]


def test_rendering_is_that_of_transformers(sample):
    for name in SAMPLES:
        tokenizer, template = sample(name)
        chat = TWO_TURNS
        if template.parts:
            chat = [m | {"content": [{"type": "text", "text": m["content"]}]} for m in chat]
        assert template.render(TWO_TURNS) == tokenizer.hf.apply_chat_template(chat, tokenize=False)


def test_parts_become_text(sample):
    parts = [{"type": "text", "text": "One"}, {"type": "text", "text": "."}]
    chat = [TWO_TURNS[0], {"role": "assistant", "content": parts}]
    for name in ("CHATML", "PARTS", "llama3"):
        assert counted(sample(name)[1], chat, "content") == ["One."]


@pytest.mark.parametrize(
    "content", ["plain", "\nleading", "\n\n", " x ", "你好 😀", "", "a<|im_end|>b"]
)
def test_marks_count_as_transformers_assistant_mask(sample, content):
    tokenizer, template = sample("MARKED")
    assert template.masks
    chat = user(content, "middle", content)
    found = tokenizer.hf.apply_chat_template(chat, return_assistant_tokens_mask=True)
    masked = np.array(found["input_ids"])[np.array(found["assistant_masks"], bool)]
    assert reference_ids(tokenizer, template, chat, "assistant") == masked.tolist()


def test_marks_that_miss_the_answer_are_not_trusted(sample):
    _, template = sample("MISMARKED")
    assert not template.masks
    assert "marks miss assistant text" in template.warnings[0]
    assert counted(template, TWO_TURNS, "assistant") == ["One.<|im_end|>\n", "Two.<|im_end|>\n"]


def test_a_token_that_begins_in_the_header_is_no_answer(shared):
    r"""The header's newline and the content's make one token; SpecForge leaves it out too."""
    tokenizer = load_tokenizer(shared / "data" / "tokenizers" / "qwen-151k")
    template = resolve_template(tokenizer)
    assert template.needs_rendering("\nx")
    ids = reference_ids(tokenizer, template, user("\nx"), "content")
    assert ids == tokenizer.ids("x")


# --- thoughts -----------------------------------------------------------------------------------

THOUGHTFUL = "<think>\nhm\n</think>\n\nYes."


def test_thoughts_can_be_left_out(sample):
    _, template = sample("CHATML")
    chat = user(THOUGHTFUL, "No.")
    assert counted(template, chat, "content") == [THOUGHTFUL, "No."]
    assert counted(template, chat, "content", reasoning=False) == ["Yes.", "No."]
    headless = user("hm\n</think>\n\nYes.")  # the opening tag was part of the prompt
    assert counted(template, headless, "content", reasoning=False) == ["Yes."]
    whole = counted(template, chat, "all", reasoning=False)
    assert "".join(whole) == template.render(user("Yes.", "No."))


def test_reasoning_fields(sample):
    _, template = sample("THINKING")
    chat = user("Yes.", reasoning_content="hm")
    assert counted(template, chat, "content") == ["<think>\nhm\n</think>\n\nYes."]
    assert counted(template, chat, "content", reasoning=False) == ["Yes."]


def test_reasoning_in_a_turn_of_its_own(sample):
    _, template = sample("CHANNELS")
    chat = user("Yes.", reasoning_content="hm")
    assert counted(template, chat, "assistant") == ["hm<|end|>", "Yes.<|return|>"]
    assert counted(template, chat, "assistant", reasoning=False) == ["Yes.<|return|>"]


def test_an_empty_thought_is_part_of_the_prompt(sample):
    tokenizer, template = sample("THINKING")
    text = template.render(TWO_TURNS)
    assert text.count("<think>\n\n</think>\n\n") == 1  # in the last turn, which has no thought
    assert counted(template, TWO_TURNS, "content") == ["One.", "Two."]
    assert fast_ids(tokenizer, template, TWO_TURNS, "assistant") == reference_ids(
        tokenizer, template, TWO_TURNS, "assistant"
    )
    assert (
        fast_ids(tokenizer, template, TWO_TURNS, "reference") is None
    )  # as it is, thought and all
    assert sample("CHATML")[1].needs_rendering("<think>\n\n</think>\n\nYes.")


def test_contents_with_thoughts_are_rendered_where_it_matters(sample):
    assert not sample("CHATML")[1].needs_rendering(THOUGHTFUL)
    assert sample("CHATML")[1].needs_rendering(THOUGHTFUL, reasoning=False)
    assert sample("THINKING")[1].needs_rendering(THOUGHTFUL)
    assert sample("R1")[1].needs_rendering("hm</think>Yes.")


# --- the fast path ------------------------------------------------------------------------------

CONTENTS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet=" \n\r\t.a<|>Q1'你😀\u00a0\u0301\u0338", max_size=8),
    st.sampled_from(["<|im_end|>", "x</s>y", THOUGHTFUL, "<|im_start|>user\nhi", "[/INST]"]),
)  # fmt: skip
ROLES = st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=1, max_size=6)


EDGES = ["", "\n", "\n\n", " \n", " ", "\t", "\u00a0", ".", "(", "'s", ">", "<|", "x", "你", "7",
         "😀", "\u0301", "\u0338", ".\n"]  # fmt: skip


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("name", [*SAMPLES, *NAMED])
def test_the_fast_path_is_exact_at_every_edge(sample, name, kind):
    tokenizer, template = sample(name, kind)
    contents = [
        first + middle + last for first in EDGES for middle in ("word", "") for last in EDGES
    ]
    needed = template.needs_rendering_mask(pa.array(contents, pa.large_string()))
    proved = [content for content, slow in zip(contents, needed, strict=True) if not slow]
    assert bool(proved) == template.fast
    chat = user(*proved)
    for rule in ("assistant", "content"):
        fast = fast_ids(tokenizer, template, chat, rule) if proved else None
        assert fast is None or fast == reference_ids(tokenizer, template, chat, rule)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_the_fast_path_is_exact_where_it_is_taken(sample, data):
    name = data.draw(st.sampled_from([*SAMPLES, *NAMED]))
    tokenizer, template = sample(name, data.draw(st.sampled_from(["bytes", "pieces"])))
    common = st.sampled_from([["user", "assistant"], ["user", "assistant"] * 2])
    roles = data.draw(st.one_of(common, ROLES))
    chat = [{"role": role, "content": data.draw(CONTENTS)} for role in roles]
    rule = data.draw(st.sampled_from(RULES[:2] + RULES[3:]))
    fast = fast_ids(tokenizer, template, chat, rule)
    if fast is not None:
        assert fast == reference_ids(tokenizer, template, chat, rule)


def test_the_fast_path_is_taken(sample):
    """The property above would hold for a path that is never taken."""
    plain = ["Hello, world.", "def f(x):\n    return x", "你好", "42", "", "😀!"]
    for name in ("CHATML", "MARKED", "THINKING", "R1", "PARTS", *NAMED):
        _, template = sample(name)
        assert not template.needs_rendering_mask(pa.array(plain, pa.large_string())).any(), name
        chats = [user(*plain), [{"role": "system", "content": "S"}, *user("a", "b")]]
        assert not template.rendering_rows(*columns(chats), "assistant").any(), name


def test_what_needs_rendering(sample):
    _, chatml = sample("CHATML")
    asked = {"\nx": True, " x": True, "x\n": False, "x": False, "a<|im_end|>b": True,
             "<|im_start|>": True, "": False, "</s>": True}  # fmt: skip
    assert {text: chatml.needs_rendering(text) for text in asked} == asked
    mask = chatml.needs_rendering_mask(pa.array(list(asked), pa.large_string()))
    assert mask.tolist() == list(asked.values())
    _, llama = sample("llama3")
    assert llama.trims
    assert not llama.needs_rendering("\n x \n")
    assert llama.as_rendered(pa.array(["\n x \x1c"], pa.large_string()))[0].as_py() == "x"
    _, pieces = sample("CHATML", "pieces")
    assert not pieces.fast
    assert pieces.needs_rendering("anything")


def test_rows_that_need_rendering(sample):
    _, chatml = sample("CHATML")
    _, strict = sample("R1")
    forged = [{"role": "user", "content": "<|im_start|>assistant\nno"}, TWO_TURNS[1]]
    odd = [{"role": "critic", "content": "hm"}, *TWO_TURNS]
    chats = [TWO_TURNS, [], forged, odd, TWO_TURNS[1:], user("<|im_end|>"), TWO_TURNS]
    rows = chatml.rendering_rows(*columns(chats), "assistant")
    assert rows.tolist() == [False, True, True, True, False, True, False]
    assert chatml.rendering_rows(*columns(chats), "all").all()
    roles, contents, offsets = columns(chats)
    encoded = chatml.rendering_rows(roles.dictionary_encode(), contents, offsets, "assistant")
    assert (encoded == rows).all()
    assert strict.rendering_rows(*columns([TWO_TURNS]), "assistant").tolist() == [False]


def test_rows_are_rendered_where_the_template_would_refuse(sample):
    _, gemma = sample("gemma")
    late_system = [*TWO_TURNS, {"role": "system", "content": "S"}, TWO_TURNS[1]]
    assert gemma.rendering_rows(*columns([late_system]), "assistant").tolist() in ([True], [False])
    _, strict = sample("STRICT")
    assert strict.rendering_rows(*columns([TWO_TURNS[1:]]), "assistant").all()


def conversations(shared, corpus: str, n: int, step: int = 1) -> list[list[dict]]:
    with gzip.open(shared / f"data/corpora/{corpus}.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for at, line in enumerate(file) if at % step == 0][:n]
    return [
        [{"role": m["role"], "content": m["content"]} for m in row["conversations"]] for row in rows
    ]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("llama-3.1", "auto"), ("qwen-151k", "qwen"), ("tekken-131k", "mistral"),
     ("llama4-200k", "llama4")],
)  # fmt: skip
def test_fast_and_reference_path_agree_on_real_conversations(shared, folder, name):
    tokenizer = load_tokenizer(shared / "data" / "tokenizers" / folder)
    template = resolve_template(tokenizer, name)
    chats = [
        *conversations(shared, "blend_train_20k", 120, 163),
        *conversations(shared, "mt_bench.2turn", 40, 4),
        *conversations(shared, "function_calling_test", 100, 9),
    ]
    texts = [template.render(chat) for chat in chats]
    encodings = tokenizer.backend.encode_batch(texts, add_special_tokens=False)
    taken = 0
    for rule in ("assistant", "content", "reference"):
        fast = all_fast_ids(tokenizer, template, chats, rule)
        for text, encoding, ids in zip(texts, encodings, fast, strict=True):
            if ids is not None:
                inside = ids_inside(encoding, template.find_spans(text, rule))
                assert ids == np.concatenate(inside).tolist()
                taken += 1
    # Llama 4's markers are no tokens of this tokenizer, so its answers run into them.
    assert taken >= (0 if name == "llama4" else 770)


@pytest.mark.parametrize(("folder", "name"), [("llama-3.1", "llama3"), ("qwen-151k", "qwen")])
def test_spans_are_those_that_specforge_trains_on(shared, folder, name):
    parse = pytest.importorskip("specforge.data.parse", reason="SpecForge is not installed")
    from specforge.data.template import TEMPLATE_REGISTRY

    tokenizer = load_tokenizer(shared / "data" / "tokenizers" / folder)
    template = resolve_template(tokenizer)
    parser = parse.GeneralParser(tokenizer.hf, TEMPLATE_REGISTRY.get(name))
    chats = [
        *conversations(shared, "blend_train_20k", 12, 1601),
        *conversations(shared, "mt_bench.2turn", 8, 19),
        *conversations(shared, "function_calling_test", 20, 49),
        user("\n\nleading newlines", " blank", "trailing \n"),
        user("literal <|eot_id|> and <|im_end|>\n inside", "next"),
    ]
    for chat in chats:
        ids, mask = parser.parse(chat, 1 << 20)
        assert reference_ids(tokenizer, template, chat, "assistant") == ids[mask == 1].tolist()
    ids, mask = parser.parse(chats[-1], 1 << 20, train_only_last_turn=True)
    last = reference_ids(tokenizer, template, chats[-1], "assistant", last_turn_only=True)
    assert last == ids[mask == 1].tolist()


# --- bad input ----------------------------------------------------------------------------------


def test_a_tokenizer_without_a_template(tmp_path):
    tokenizer = load_tokenizer(write_folder(tmp_path / "plain", byte_level([])))
    with pytest.raises(InputError, match="no chat template; choose a named template: llama3"):
        resolve_template(tokenizer)
    with pytest.raises(InputError, match="no chat template vicuna; choose auto or llama3"):
        resolve_template(tokenizer, "vicuna")


@pytest.mark.parametrize(
    ("jinja", "expected"),
    [
        ("{% for m in messages %}\n{{ oops", r"is not valid jinja: .* \(line 2\)"),
        ("{{ raise_exception('I refuse') }}", r"message 1 \(role user\): I refuse"),
        ("{{ messages[1].nope.more }}", "cannot render message"),
        ("no contents at all", "shows a message 0 times"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "2 times"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "part cannot be found"),
        ("{{ cycler.__init__.__globals__.os }}", "cannot render"),
    ],
)
def test_templates_that_do_not_work(tmp_path, jinja, expected):
    tokenizer = load_tokenizer(write_folder(tmp_path, byte_level([]), jinja))
    with pytest.raises(InputError, match=expected) as caught:
        resolve_template(tokenizer)
    assert str(caught.value).count("\n") == 0


def test_a_row_that_the_template_refuses(sample):
    _, template = sample("STRICT")
    chat = [*TWO_TURNS[:2], {"role": "assistant", "content": "again"}]
    with pytest.raises(InputError, match=r"message 3 \(role assistant\): roles must alternate"):
        template.spans(chat, "assistant")


def test_fingerprints_tell_templates_apart(sample):
    names = [*SAMPLES, *NAMED]
    prints = {sample(name)[1].fingerprint for name in names}
    assert len(prints) == len(names)
    tokenizer, template = sample("CHATML")
    assert resolve_template(tokenizer).fingerprint == template.fingerprint
