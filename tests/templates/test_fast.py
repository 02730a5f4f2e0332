"""Counting without rendering gives the ids of rendering, wherever it is taken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from helpers.real_data import BUNDLED, OWN, messages, real_tokenizer, shared_corpus
from helpers.rendering import needs_rendering, needs_rendering_mask
from helpers.template_kit import (
    THOUGHTFUL,
    TWO_TURNS,
    all_fast_ids,
    columns,
    counted,
    fast_ids,
    reference_ids,
    user,
)
from helpers.template_samples import SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.templates.chat_template import RULES, ids_inside, span_ids
from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.templates.spans import SPAN_ENDS

CONTENTS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet=" \n\r\t.a<|>Q1'你😀\u00a0\u0301\u0338", max_size=8),
    st.sampled_from(["<|im_end|>", "x</s>y", THOUGHTFUL, "<|im_start|>user\nhi", "[/INST]"]),
)
ROLES = st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=1, max_size=6)


EDGES = [
    "",
    "\n",
    "\n\n",
    " \n",
    " ",
    "\t",
    "\u00a0",
    ".",
    "(",
    "'s",
    ">",
    "<|",
    "x",
    "你",
    "7",
    "😀",
    "\u0301",
    "\u0338",
    ".\n",
]


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("name", [*SAMPLES, *NAMED])
def test_the_fast_path_is_exact_at_every_edge(sample, name, kind):
    tokenizer, template = sample(name, kind)
    contents = [
        first + middle + last for first in EDGES for middle in ("word", "") for last in EDGES
    ]
    needed = needs_rendering_mask(template, contents)
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
    kind = data.draw(st.sampled_from(["bytes", "pieces"]))
    tokenizer, template = sample(name, kind, data.draw(st.sampled_from(SPAN_ENDS)))
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
        assert not needs_rendering_mask(template, plain).any(), name
        chats = [user(*plain), [{"role": "system", "content": "S"}, *user("a", "b")]]
        assert not template.rendering_rows(*columns(chats), "assistant").any(), name


def test_what_needs_rendering(sample):
    _, chatml = sample("CHATML")
    asked = {
        "\nx": True,
        " x": True,
        "x\n": False,
        "x": False,
        "a<|im_end|>b": True,
        "<|im_start|>": True,
        "": False,
        "</s>": True,
    }
    assert {text: needs_rendering(chatml, text) for text in asked} == asked
    mask = needs_rendering_mask(chatml, list(asked))
    assert mask.tolist() == list(asked.values())
    _, llama = sample("llama3")
    assert llama.trims
    assert not needs_rendering(llama, "\n x \n")
    assert llama.as_rendered(pa.array(["\n x \x1c"], pa.large_string()))[0].as_py() == "x"
    _, pieces = sample("CHATML", "pieces")
    assert not pieces.fast
    assert needs_rendering(pieces, "anything")


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


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("llama-3.1", "auto"),
        ("tekken", "auto"),
        ("smollm2", "auto"),
        ("shared:llama-3.1", "auto"),
        ("shared:qwen-151k", "qwen"),
        ("shared:tekken-131k", "mistral"),
        ("shared:llama4-200k", "llama4"),
    ],
)
def test_fast_and_reference_path_agree_on_real_conversations(source, name):
    tokenizer = real_tokenizer(source)
    template = resolve_template(tokenizer, name)
    chats = messages(OWN / "plain.jsonl", 260)
    if source not in BUNDLED:
        chats = [
            chat
            for at, n, step in (
                ("blend_train_20k", 120, 163),
                ("mt_bench.2turn", 40, 4),
                ("function_calling_test", 100, 9),
            )
            for chat in messages(shared_corpus(at), n, step)
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
    # Llama 4's markers are no tokens of this tokenizer, so its answers run into them; a seventh of
    # our own conversations has markup inside.
    assert taken >= (0 if name == "llama4" else 650 if source in BUNDLED else 770)


def marked(chat: list[dict]) -> bool:
    """Markup of some template stands inside."""
    return any("<|" in message["content"] for message in chat)


@pytest.mark.parametrize(
    ("source", "name"),
    [("llama-3.1", "llama3"), ("shared:llama-3.1", "llama3"), ("shared:qwen-151k", "qwen")],
)
def test_spans_are_those_that_specforge_trains_on(source, name):
    parse = pytest.importorskip("specforge.data.parse", reason="SpecForge is not installed")
    from specforge.data.template import TEMPLATE_REGISTRY

    tokenizer = real_tokenizer(source)
    template = resolve_template(tokenizer, span_end="template")  # the line break has loss there too
    parser = parse.GeneralParser(tokenizer.hf, TEMPLATE_REGISTRY.get(name))
    real = [(OWN / "plain.jsonl", 40, 10)]
    if source not in BUNDLED:
        real = [
            (shared_corpus(at), n, step)
            for at, n, step in (
                ("blend_train_20k", 12, 1601),
                ("mt_bench.2turn", 8, 19),
                ("function_calling_test", 20, 49),
            )
        ]
    chats = [
        *(chat for path, n, step in real for chat in messages(path, n, step) if not marked(chat)),
        user("\n\nleading newlines", " blank", "trailing \n"),
    ]
    for chat in chats:
        ids, mask = parser.parse(chat, 1 << 20)
        assert reference_ids(tokenizer, template, chat, "assistant") == ids[mask == 1].tolist()
    # A stop token inside an answer ends the turn where text alone is looked at, as SpecForge does;
    # where messages are known, the whole message is the turn.
    chat = user("literal <|eot_id|> and <|im_end|>\n inside", "next")
    ids, mask = parser.parse(chat, 1 << 20)
    text = template.render(chat)
    found = span_ids(tokenizer, text, template.find_spans(text, "assistant"))
    assert np.concatenate(found).tolist() == ids[mask == 1].tolist()
    assert chat[1]["content"] in counted(template, chat, "assistant")[0]
    ids, mask = parser.parse(chats[-1], 1 << 20, train_only_last_turn=True)
    last = reference_ids(tokenizer, template, chats[-1], "assistant", last_turn_only=True)
    assert last == ids[mask == 1].tolist()
