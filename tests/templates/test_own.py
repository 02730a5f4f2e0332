# ruff: noqa: RUF001 - DeepSeek writes its markers with full-width bars
"""The tokenizer's own template: what probing finds, against transformers, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.rendering import needs_rendering
from helpers.template_kit import TWO_TURNS, counted, reference_ids, user
from helpers.template_samples import MARKERS, SAMPLES
from helpers.tokenizer_makers import byte_level, sentence_piece, write_folder

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import span_ids
from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer


def test_shape_of_a_plain_template(sample):
    _, template = sample("CHATML")
    assert template.header == "<|im_start|>assistant\n"
    assert template.user_header == "<|im_start|>user\n"
    assert template.stop_tokens == ("</s>", "<|im_end|>")  # what the tokenizer ends with, and it
    assert template.ends == ("<|im_end|>\n",)
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
    assert channels.header == "<|start|>assistant<|channel|>"  # what all its turns begin with
    assert channels.ends == ("<|end|>", "<|return|>")
    assert set(channels.stop_tokens) == {"</s>", "<|end|>", "<|return|>"}
    opening, closing = "analysis<|message|>", "<|end|><|start|>assistant<|channel|>"
    assert channels.thought_channel == (opening, closing)
    plain = sample("PLAIN")[1]
    assert (plain.header, plain.user_header, plain.ends) == ("Assistant:", "Human: ", ("\n\n",))


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_counts_both_answers(sample, name, kind):
    """And beside them at most what the template itself writes into a turn."""
    own = {
        "THINKING": ["", "<think>\n\n</think>\n\n"],
        "CHANNELS": ["final<|message|>"] * 2,
    }
    _, template = sample(name, kind)
    right = [a + b for a, b in zip(own.get(name, ["", ""]), ["One.", "Two."], strict=True)]
    assert [text.strip() for text in counted(template, TWO_TURNS, "content")] == right


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
    "content", ["plain", "\nleading", "\n\n", " x ", "你好 🜁", "", "a<|im_end|>b"]
)
def test_marks_count_as_transformers_assistant_mask(sample, content):
    tokenizer, template = sample("MARKED")
    assert template.masks
    chat = user(content, "middle", content)
    found = tokenizer.hf.apply_chat_template(chat, return_assistant_tokens_mask=True)
    masked = np.array(found["input_ids"])[np.array(found["assistant_masks"], bool)]
    assert reference_ids(tokenizer, template, chat, "assistant") == masked.tolist()


def test_marks_that_miss_the_answer_are_not_trusted(sample):
    _, template = sample("HALF_MARKED")
    assert not template.masks
    assert "marks miss assistant text" in template.warnings[0]
    assert counted(template, TWO_TURNS, "assistant") == ["One.<|im_end|>", "Two.<|im_end|>"]


def test_marks_inside_a_macro_are_followed(sample):
    """transformers cannot. Those around other roles' text are no assistant's."""
    _, template = sample("MACRO_MARKED")
    assert template.masks
    assert template.warnings == ()
    assert template.header == "<|im_start|>assistant\n"
    assert counted(template, TWO_TURNS, "assistant") == ["One.", "Two."]


def test_a_token_that_begins_in_the_header_is_no_answer(shared):
    r"""The header's newline and the content's make one token; SpecForge leaves it out too."""
    tokenizer = load_tokenizer(shared / "data" / "tokenizers" / "qwen-151k")
    template = resolve_template(tokenizer)
    assert needs_rendering(template, "\nx")
    ids = reference_ids(tokenizer, template, user("\nx"), "content")
    assert ids == tokenizer.ids("x")


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
        ("{{ cycler.__init__.__globals__.os }}", "cannot render"),
    ],
)
def test_templates_that_do_not_work(tmp_path, jinja, expected):
    tokenizer = load_tokenizer(write_folder(tmp_path, byte_level([]), jinja))
    with pytest.raises(InputError, match=expected) as caught:
        resolve_template(tokenizer)
    assert str(caught.value).count("\n") == 0


def test_turns_of_a_template_that_writes_nothing_but_contents(sample):
    """By the definition: what a turn adds to the text before it is its content. Text that was
    rendered before has nothing to find turns by, so nothing of it is counted."""
    _, template = sample("BARE")
    assert counted(template, TWO_TURNS, "assistant") == ["One.", "Two."]
    assert not template.fast  # a user's last letter and an answer's first may be one token
    assert template.find_spans(template.render(TWO_TURNS), "assistant") == []


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


@pytest.mark.parametrize("end", ["yes", " 🜁", "\n"])
@pytest.mark.parametrize("kind", [byte_level, sentence_piece])
def test_marks_count_every_token_of_their_last_character(tmp_path, kind, end):
    """transformers' mask ends with the first token of a mark's last character. A rare emoji is
    several tokens, and all of them were generated."""
    from transformers import PreTrainedTokenizerFast

    jinja = SAMPLES["MARKED"].replace(
        " + '<|im_end|>' }}{%- endgeneration %}", " }}{%- endgeneration %}{{- '<|im_end|>' }}"
    )
    backend = kind([*MARKERS])
    tokenizer = load_tokenizer(write_folder(tmp_path, backend, jinja))
    template = resolve_template(tokenizer)
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": f"So{end}"}]
    text, spans = template.spans(chat, "assistant")
    assert (template.masks, [text[a:b] for a, b in spans]) == (True, [f"So{end}"])
    ours = [int(i) for ids in span_ids(tokenizer, text, spans, masks=True) for i in ids]
    hf = PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=jinja)
    out = hf.apply_chat_template(chat, return_assistant_tokens_mask=True, return_dict=True)
    pairs = zip(out["input_ids"], out["assistant_masks"], strict=True)
    theirs = [i for i, marked in pairs if marked]
    assert ours[: len(theirs)] == theirs
    assert (len(theirs) < len(ours)) == (end == " 🜁")
    assert backend.decode(ours).strip() == f"So{end}".strip()
