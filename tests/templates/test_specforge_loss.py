"""What the product says of SpecForge, held against SpecForge's own code."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import warnings
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.resolve import NAMED, resolve_template
from vocabtrim_core.templates.samples import SAMPLES, show
from vocabtrim_core.templates.specforge_loss import (
    BY_NAME,
    TEMPLATES,
    SpecForgeTemplate,
    compare_loss,
    loss_spans,
    matching_templates,
    parser_messages,
    subtract_spans,
)
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def specforge():
    """SpecForge's registry and its parsers by type."""
    parse = pytest.importorskip("specforge.data.parse", reason="SpecForge is not installed")
    from specforge.data.template import TEMPLATE_REGISTRY

    parsers = {
        "general": parse.GeneralParser,
        "thinking": parse.ThinkingParser,
        "glm": parse.GLMParser,
        "openai-harmony": parse.HarmonyParser,
    }
    return TEMPLATE_REGISTRY, parsers


@pytest.fixture(scope="module")
def bytes_tokenizer():
    """One token per byte: what a parser masks is known by the character."""
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="!")


def parser_of(specforge, tokenizer, name: str):
    registry, parsers = specforge
    template = registry.get(name)
    return parsers[template.parser_type](tokenizer, template)


# --- facts ---------------------------------------------------------------------------------------


def test_every_template_of_the_trainer_is_here_as_it_is_there(specforge, bytes_tokenizer):
    registry, parsers = specforge
    for name in registry.get_all_template_names():
        theirs = registry.get(name)
        if name not in BY_NAME:
            with pytest.raises(TypeError):  # it has no end token: no parser can be built
                parsers[theirs.parser_type](bytes_tokenizer, theirs)
            continue
        ours = BY_NAME[name]
        assert ours.parser == theirs.parser_type
        assert ours.pattern == theirs.assistant_pattern_type
        assert ours.ignored == tuple(theirs.ignore_token or ())
        assert ours.prompts == bool(theirs.system_prompt)
        if ours.parser != "openai-harmony":
            assert (ours.header, ours.end) == (theirs.assistant_header, theirs.end_of_turn_token)
    assert set(BY_NAME) <= set(registry.get_all_template_names())


# --- loss ----------------------------------------------------------------------------------------

WORDS = ("Hi", " ", "\n", "ü", "<think>\n", "</think>", "\n\n", "[Round 2] USER:", "it is")
USERS = ("<|user|>", "<|start|>user<|message|>", "<|im_start|>user\n", "USER: ")


def texts(entry: SpecForgeTemplate) -> st.SearchStrategy[str]:
    """Text out of this template's own strings and others'."""
    own = (entry.header, entry.end, entry.end.strip(), *entry.ignored)
    pieces = st.sampled_from((*own, *own, *WORDS, *USERS))
    return st.lists(pieces, max_size=14).map("".join)


@pytest.mark.parametrize("entry", TEMPLATES, ids=lambda e: e.name)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_loss_is_what_the_parser_of_the_trainer_masks(specforge, bytes_tokenizer, entry, data):
    text = data.draw(texts(entry))
    parser = parser_of(specforge, bytes_tokenizer, entry.name)
    ids, mask = parser.parse(text, 1 << 16, preformatted=True) if text else ([], [])
    assert len(ids) == len(text.encode())
    counted = [False] * len(text.encode())
    for start, end in loss_spans(text, entry):
        for at in range(len(text[:start].encode()), len(text[:end].encode())):
            counted[at] = True
    assert counted == [bool(m) for m in mask]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))),
)
def test_ranges_without_others_are_a_difference_of_sets(spans, others):
    spans, others = ([(min(s), max(s)) for s in each] for each in (spans, others))
    left = {n for start, end in subtract_spans(spans, others) for n in range(start, end)}
    inside = {n for start, end in spans for n in range(start, end)}
    assert left == inside - {n for start, end in others for n in range(start, end)}


# --- messages ------------------------------------------------------------------------------------

CALLS = (
    [{"id": "a", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}],
    [{"function": {"name": "f", "arguments": '{"x": [1]}'}, "index": 0}],
    [{"id": "a", "function": {"name": "f", "arguments": "no json"}}],
)
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": st.just("user"), "content": st.sampled_from(["Hi", "", None])}),
    st.fixed_dictionaries({"role": st.just("system"), "content": st.just("Be brief.")}),
    st.fixed_dictionaries(
        {"role": st.just("tool"), "content": st.just("42")},
        optional={"name": st.just("f"), "tool_call_id": st.just("a")},
    ),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": st.sampled_from(["Ho", "", None])},
        optional={"reasoning_content": st.just("Hm."), "tool_calls": st.sampled_from(CALLS)},
    ),
)


@pytest.mark.parametrize("name", ["qwen", "qwen3-thinking", "qwen3.5", "glm-5.2"])
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(messages=st.lists(MESSAGES, min_size=1, max_size=6))
def test_messages_are_what_the_parser_gives_to_the_template(
    specforge, bytes_tokenizer, name, messages
):
    parser, seen = parser_of(specforge, bytes_tokenizer, name), []

    def template(chat, **more) -> str:
        seen.extend(copy.deepcopy(chat))
        return "rendered"

    parser.tokenizer = copy.copy(bytes_tokenizer)
    parser.tokenizer.apply_chat_template = template
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(IndexError):  # where nothing is left of the conversation
            parser.parse(copy.deepcopy(messages), 1 << 16)
    own_prompt = messages[0]["role"] != "system" and BY_NAME[name].prompts
    chat, said = parser_messages(messages, BY_NAME[name])
    assert chat == (seen[1:] if own_prompt else seen)
    assert bool(said) == (len(chat) < len(messages))


def test_harmony_takes_other_roles_only(specforge, bytes_tokenizer):
    parser = parser_of(specforge, bytes_tokenizer, "gpt-oss")
    for role in ("assistant", "tool", "assistant_final"):
        messages = [{"role": "user", "content": "Hi"}, {"role": role, "content": "Ho"}]
        try:
            parser.parse(messages, 1 << 16)
            taken = True
        except ValueError:
            taken = False
        if taken:
            assert parser_messages(messages, BY_NAME["gpt-oss"]) == (messages, ())
        else:
            with pytest.raises(InputError, match=f"has no role {role} and stops"):
                parser_messages(messages, BY_NAME["gpt-oss"])


# --- templates -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama():
    return load_tokenizer("llama-3.1")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("auto", ["llama3"]),
        ("llama3", ["llama3"]),
        ("llama4", ["llama4"]),
        ("qwen", ["qwen", "qwen3-instruct", "lfm", "qwen3-thinking"]),
        ("phi4", ["phi4"]),
        ("gemma", ["gemma"]),
        ("mistral", []),
    ],
)
def test_templates_of_the_trainer_are_chosen_by_their_headers(llama, name, found):
    assert [entry.name for entry in matching_templates(resolve_template(llama, name))] == found


def test_named_templates_that_both_have_match_each_other(llama):
    shared_names = set(NAMED) & set(BY_NAME)
    assert shared_names
    for name in shared_names:
        assert name in [entry.name for entry in matching_templates(resolve_template(llama, name))]


@pytest.mark.parametrize(
    ("name", "span_end", "newline"),
    [("qwen", "stop", True), ("qwen", "template", False), ("llama3", "stop", False)],
)
def test_the_newline_is_a_difference_until_it_is_counted(llama, name, span_end, newline):
    template = resolve_template(llama, name, span_end)
    found = show(template, SAMPLES["tools"])
    said = compare_loss(template, found.reading, BY_NAME[name]).differences
    assert said == (
        ("The newline after the stop token has loss; the model does not generate it.",)
        if newline
        else ()
    )


def test_reasoning_that_the_parser_drops_is_said(tmp_path):
    from helpers.tokenizer_makers import byte_level, write_folder

    jinja = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
        "{{ m.content or '' }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}"
        "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    made = byte_level(["<|im_start|>", "<|im_end|>"])
    config = {"chat_template": jinja, "eos_token": "<|im_end|>"}
    tokenizer = load_tokenizer(write_folder(tmp_path / "m", made, tokenizer_config=config))
    template = resolve_template(tokenizer)
    sample = SAMPLES["reasoning"]
    found = show(template, sample)
    assert found.notes == (
        "Tool calls: counted.",
        "Reasoning: counted.",
        "Tool results: not counted.",
    )
    assert next(entry.name for entry in matching_templates(template)) == "qwen3-thinking"
    told = {
        name: compare_loss(template, found.reading, BY_NAME[name], sample.messages, sample.tools)
        for name in ("qwen", "qwen3-thinking")
    }
    dropped = "Reasoning is not given to the chat template, so it has no loss."
    assert dropped in told["qwen"].differences
    assert "The timetable tells." not in told["qwen"].text
    assert dropped not in told["qwen3-thinking"].differences
    assert told["qwen3-thinking"].text == found.reading.text


# --- samples -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NAMED))
def test_samples_say_what_the_marked_text_shows(llama, name):
    template = resolve_template(llama, name)
    for sample in SAMPLES.values():
        found = show(template, sample)
        text, spans, _ = found.reading
        counted = "".join(text[start:end] for start, end in spans)
        said = " ".join(found.notes)
        if not text:
            assert said.startswith("The chat template refuses this conversation: ")
            continue
        assert ("Tool calls: counted." in said) == ("two berths" in counted)
        assert "12:05" not in counted.replace("at 12:05 from", "")
        assert "Tool results: not counted." in said
        answers = [m["content"] for m in sample.messages if m["role"] == "assistant"]
        assert all(answer in counted for answer in answers if answer)
        assert not any(m["content"] in counted for m in sample.messages if m["role"] == "user")


def test_a_refused_sample_is_a_sentence(tmp_path):
    from helpers.tokenizer_makers import byte_level, write_folder

    jinja = (
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('No tools here') }}"
        "{% endif %}[{{ m.role }}]{{ m.content }}[end]{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    folder = write_folder(
        tmp_path / "m", byte_level(["[end]"]), tokenizer_config={"chat_template": jinja}
    )
    found = show(resolve_template(load_tokenizer(folder)), SAMPLES["tools"])
    assert found.reading.spans == []
    assert "No tools here" in found.notes[0]
    assert "message 3 (role tool)" in found.notes[0]


def test_samples_are_in_the_shape_of_a_row(tmp_path):
    """A file of them is read as it is, with its calls, results and reasoning."""
    from vocabtrim_core.corpora import open_corpus

    rows = [{"messages": s.messages, "tools": s.tools} for s in SAMPLES.values()]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    batches = list(open_corpus(path).batches())
    read = [batch.messages(i) for batch in batches for i in range(len(batch))]

    def spoken(messages) -> list[dict]:
        return [{**m, "content": m["content"] or ""} for m in messages]

    assert list(map(spoken, read)) == [spoken(s.messages) for s in SAMPLES.values()]
    assert not any(batch.notes for batch in batches)


def test_the_page_imports_nothing_of_the_trainer():
    code = (
        "import sys, vocabtrim_core.templates.specforge_loss, vocabtrim_core.templates.samples; "
        "print({'specforge', 'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
