"""Tokenizer folders that are damaged or hostile: one sentence, before memory is taken."""

import json

import pytest
from helpers.tokenizer_makers import byte_level

from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer


def folder(tmp_path, change=lambda parsed: None, **files):
    """A small tokenizer, with a change to its parsed tokenizer.json and files beside it."""
    parsed = json.loads(byte_level([]).to_str())
    change(parsed)
    (tmp_path / "tokenizer.json").write_text(json.dumps(parsed))
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / f"{name}.json").write_text(text, "utf-8")
    return tmp_path


NORMALIZERS = {
    "a broken charsmap": {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
    "an empty prefix": {"type": "Prepend", "prepend": ""},
    "an empty pattern": {"type": "Replace", "pattern": {"String": ""}, "content": "x"},
    "a broken pattern": {"type": "Replace", "pattern": {"Regex": "("}, "content": "x"},
}


@pytest.mark.parametrize("normalizer", NORMALIZERS.values(), ids=list(NORMALIZERS))
def test_normalizers_that_fail_in_rust(normalizer, tmp_path, capfd):
    path = folder(tmp_path, lambda parsed: parsed.update(normalizer=normalizer))
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(path)


MODELS = {
    "Unigram without unknown": {"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": None},
    "WordLevel without unknown": {"type": "WordLevel", "vocab": {}, "unk_token": "x"},
}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_models_that_fail_on_ordinary_text(model, tmp_path):
    path = folder(tmp_path, lambda parsed: parsed.update(model=model, added_tokens=[]))
    with pytest.raises(InputError, match="fails on ordinary text"):
        load_tokenizer(path)


def test_an_id_beyond_every_vocabulary(tmp_path):
    path = folder(tmp_path, lambda parsed: parsed["model"]["vocab"].update(zz=2**31))
    with pytest.raises(InputError, match="ids up to 2,147,483,648"):
        load_tokenizer(path)


@pytest.mark.parametrize("value", [5, ["a"], {"content": 5}, {"x": 1}, True])
@pytest.mark.parametrize("file", ["special_tokens_map", "tokenizer_config"])
def test_special_tokens_that_are_no_text(file, value, tmp_path):
    path = folder(tmp_path, **{file: {"eos_token": value}})
    with pytest.raises(InputError, match="eos_token"):
        load_tokenizer(path)


@pytest.mark.parametrize("text", ["", "[", "[]", "[" * 100_000, '{"a": "\\ud800"}', "9" * 5000])
@pytest.mark.parametrize(
    "file", ["special_tokens_map", "tokenizer_config", "generation_config", "config"]
)
def test_files_beside_it_that_are_no_object(file, text, tmp_path):
    path = folder(tmp_path, **{file: text})
    with pytest.raises(InputError, match=f"{file}.json"):
        load_tokenizer(path)
