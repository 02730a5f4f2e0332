"""Tokenizers: the bundled ones against the real ones, folders, the hub, and every bad input."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from helpers.real_data import OWN, VENDORS, messages, real_tokenizer
from helpers.tokenizer_makers import LLAMA_SPLIT, byte_level, sentence_piece, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers import presets as tokenizer_presets
from vocabtrim_core.tokenizers.presets import PRESETS
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.tokenizers.vocab_size import (
    ASSUMED,
    BY_HAND,
    CONFIG_JSON,
    known_vocab_sizes,
    smallest_vocab_size,
)

TRICKY = [
    "",
    " ",
    "\n\n \n",
    "Hello, world! 1234567 3.14 it's IT'S",
    "def f(x):\n\treturn  x ** 2  # squared\r\n\r\n",
    "naïve café Ünïcödé ǅ ß",
    "你好世界 こんにちは 안녕 ไทย हिन्दी עברית العربية",
    "😀👩‍👧 🏳️‍🌈 ▁ \u200b \ufeff \u00a0x",
    "<|eot_id|> <|begin_of_text|>x<|python_tag|> </s>[INST] <think>",
    "\x00\x07\x1b \u0378 \ue000 \U0010fffd",
    "e\u0301 \u0338 ﬁ ½ Ⅷ ٣",
    "----====~~~~ ``` $$\\frac{a}{b}$$ https://example.org/a?b=c&d",
]


@pytest.fixture(scope="module", params=[("llama-3.1", "llama-3.1"), ("tekken", "tekken-131k")])
def pair(request, shared):
    """(the bundled tokenizer, the real one)."""
    ours, real = request.param
    return load_tokenizer(ours), load_tokenizer(shared / "data" / "tokenizers" / real)


def test_presets_have_the_ids_of_the_real_tokenizers(pair, shared):
    ours, real = pair
    texts = list(TRICKY)
    for corpus in ("mt_bench", "function_calling_test", "humaneval", "ner_test"):
        with gzip.open(shared / f"data/corpora/{corpus}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line, _ in zip(file, range(150), strict=False)]
        texts += [message["content"] for row in rows for message in row["conversations"]]
    texts.append("\n\n".join(texts))
    got = ours.backend.encode_batch(texts, add_special_tokens=False)
    want = real.backend.encode_batch(texts, add_special_tokens=False)
    assert [e.ids for e in got] == [e.ids for e in want]
    assert sum(len(e.ids) for e in got) > 100_000


def vendors_own(name: str):
    """Ids of a text by the vendor's own library, which reads the same file."""
    if name == "llama-3.1":
        from tiktoken import Encoding
        from tiktoken.load import load_tiktoken_bpe

        ranks = load_tiktoken_bpe(str(PRESETS[name].path()))
        return Encoding(
            "llama", pat_str=LLAMA_SPLIT, mergeable_ranks=ranks, special_tokens={}
        ).encode_ordinary
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    made = Tekkenizer.from_file(str(PRESETS[name].path()))
    return lambda text: made.encode(text, bos=False, eos=False)


@pytest.mark.parametrize("name", VENDORS)
def test_presets_have_the_ids_of_their_vendors_own_code(name):
    """Without the markup of a template, which the libraries read as plain text."""
    mine, theirs = real_tokenizer(name), vendors_own(name)
    texts = [text for text in TRICKY if not any(token in text for token in mine.specials.values())]
    contents = [m["content"] for chat in messages(OWN / "plain.jsonl", 420) for m in chat]
    texts += [text for text in contents if "<|" not in text and "[INST]" not in text]
    assert len(texts) > 1000
    assert [mine.ids(text) for text in texts] == [list(theirs(text)) for text in texts]


@given(text=st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_presets_have_the_ids_of_the_real_tokenizers_on_any_text(pair, text):
    ours, real = pair
    assert ours.ids(text) == real.ids(text)


def test_presets_agree_on_every_token(pair):
    """All vocabularies are equal but for three control tokens that Mistral named later."""
    ours, real = (t.backend.get_vocab() for t in pair)
    later = {"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"} if "[INST]" in ours else set()
    assert {t: i for t, i in ours.items() if t not in later}.items() <= real.items()
    assert sorted(ours.values()) == sorted(real.values())


@pytest.mark.parametrize(
    ("name", "vocab_size", "specials", "licence"),
    [
        ("llama-3.1", 128_256, 256, "Llama 3.1 Community License"),
        ("tekken", 131_072, 1000, "Apache-2.0"),
    ],
)
def test_preset_values(name, vocab_size, specials, licence):
    tokenizer = load_tokenizer(name)
    assert tokenizer.vocab_size == PRESETS[name].vocab_size == vocab_size
    assert len(tokenizer.specials) == specials
    assert tokenizer.licence.startswith(licence)
    assert tokenizer.backend.get_vocab_size() == vocab_size
    assert not tokenizer.warnings
    assert tokenizer.chat_template


def test_llama_preset_keeps_whole_pieces():
    """588 tokens cannot be reached by merges; they need `ignore_merges`."""
    tokenizer = load_tokenizer("llama-3.1")
    assert json.loads(tokenizer.json)["model"]["ignore_merges"] is True
    ids = range(0, 128_000, 101)
    texts = {i: tokenizer.token(i) for i in ids if not tokenizer.token(i).startswith("<0x")}
    assert len(texts) > 1200
    assert all(tokenizer.ids(text) == [i] for i, text in texts.items())


def test_a_preset_is_converted_once(monkeypatch):
    first = load_tokenizer("tekken")
    never = replace(PRESETS["tekken"], convert=lambda source: pytest.fail("converted again"))
    monkeypatch.setitem(PRESETS, "tekken", never)
    assert load_tokenizer("tekken").fingerprint == first.fingerprint


def test_a_preset_without_its_package(monkeypatch):
    monkeypatch.setattr(tokenizer_presets, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"needs llama3/tokenizer.model .*pip install llama-models"
    ):
        load_tokenizer("llama-3.1")


def test_heavy_packages_stay_out():
    """Importing is light, and no vendor package is imported to find its file."""
    code = """
import sys
import vocabtrim_core.tokenizers.tokenizer as t
heavy = {"torch", "transformers", "tokenizers", "huggingface_hub"} & set(sys.modules)
assert not heavy, heavy
t.load_tokenizer("llama-3.1")
assert not {"torch", "models", "llama_models"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# --- folders and files --------------------------------------------------------------------------


def test_folder(tmp_path):
    folder = write_folder(
        tmp_path / "tiny",
        byte_level(["<s>", "</s>"]),
        "{{ messages }}",
        tokenizer_config={"bos_token": "<s>", "chat_template": "older"},
        special_tokens_map={"eos_token": {"content": "</s>"}},
    )
    tokenizer = load_tokenizer(folder)
    assert (tokenizer.name, tokenizer.vocab_size) == ("tiny", 602)
    assert tokenizer.specials == {600: "<s>", 601: "</s>"}
    assert tokenizer.special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    assert tokenizer.hf.special_tokens_map == tokenizer.special_tokens
    assert tokenizer.chat_template == "{{ messages }}"
    assert tokenizer.licence.startswith("unknown")
    by_file = load_tokenizer(str(folder / "tokenizer.json"))
    assert (by_file.name, by_file.fingerprint) == ("tiny", tokenizer.fingerprint)


def test_chat_templates_of_older_files(tmp_path):
    made = byte_level([])
    several = [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]
    write_folder(tmp_path / "a", made, tokenizer_config={"chat_template": several})
    write_folder(tmp_path / "b", made, chat_template={"chat_template": "J"})
    write_folder(tmp_path / "c", made)
    found = [load_tokenizer(tmp_path / name).chat_template for name in "abc"]
    assert found == ["D", "J", None]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"vocab_size": 640}, 640),
        ({"model_type": "x", "text_config": {"vocab_size": 704}}, 704),
        ({"thinker_config": {"text_config": {"vocab_size": 768}}}, 768),
    ],
)
def test_v_is_the_models(tmp_path, config, expected):
    folder = write_folder(tmp_path / "padded", byte_level(["<s>"]), config=config)
    tokenizer = load_tokenizer(folder)
    assert tokenizer.vocab_size == expected
    (warning,) = tokenizer.warnings
    assert str(expected) in warning
    assert "601" in warning  # len(tokenizer)
    assert tokenizer.token(expected - 1) == f"<id {expected - 1}>"


def test_config_given_apart(tmp_path):
    folder = write_folder(tmp_path / "plain", byte_level([]))
    (tmp_path / "other.json").write_text('{"vocab_size": 672}')
    assert load_tokenizer(folder, config=tmp_path / "other.json").vocab_size == 672
    (tmp_path / "big.json").write_text('{"vocab_size": 128264}')
    warned = load_tokenizer("llama-3.1", config=tmp_path / "big.json")
    assert warned.vocab_size == 128264
    assert "128,256" in warned.warnings[0]


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("qwen-151k", (151_936, 152_064)),
        ("llama-3.1", (128_256,)),
        ("llama4-200k", (202_048,)),
        ("tekken-131k", ()),
    ],
)
def test_the_sizes_known_for_a_tokenizer_are_offered(shared, name, offered):
    tokenizer = load_tokenizer(shared / "data" / "tokenizers" / name)
    assert tokenizer.vocab_size_from == ASSUMED
    assert known_vocab_sizes(tokenizer.backend) == offered
    assert smallest_vocab_size(tokenizer.backend) == max(tokenizer.backend.get_vocab().values()) + 1
    for size in offered:
        assert f"{size:,}" in tokenizer.warnings[-1]
        given = load_tokenizer(shared / "data" / "tokenizers" / name, vocab_size=size)
        assert (given.vocab_size, given.vocab_size_from, given.warnings) == (size, BY_HAND, ())


def test_v_given_by_hand_stands_above_a_config(tmp_path):
    folder = write_folder(tmp_path / "t", byte_level(["<s>"]), config={"vocab_size": 640})
    assert load_tokenizer(folder).vocab_size_from == CONFIG_JSON
    assert load_tokenizer(folder, vocab_size=700).vocab_size == 700
    assert load_tokenizer(folder, vocab_size=601).vocab_size == 601  # the largest id is 600
    for wrong in (600, -1, 0, 2**24 + 1):
        with pytest.raises(InputError, match=r"V must lie within 601\.\.16,777,216") as raised:
            load_tokenizer(folder, vocab_size=wrong)
        one_sentence(raised.value)
    with pytest.raises(InputError, match="V is given twice"):
        load_tokenizer(folder, vocab_size=700, config=folder / "config.json")


def test_added_tokens_past_v_are_a_warning(tmp_path):
    """As in text-only Gemma 3, whose tokenizer has an image token that the model lacks."""
    folder = write_folder(tmp_path / "gemma", byte_level(["<img>"]), config={"vocab_size": 600})
    tokenizer = load_tokenizer(folder)
    assert tokenizer.vocab_size == 600
    assert any("past the model's vocab_size 600" in warning for warning in tokenizer.warnings)


def test_special_tokens_that_do_not_exist_are_left_out(tmp_path):
    folder = write_folder(
        tmp_path / "odd", byte_level(["<s>"]), tokenizer_config={"eos_token": "<|im_end|>"}
    )
    tokenizer = load_tokenizer(folder)
    assert tokenizer.special_tokens == {}
    assert "<|im_end|>" in tokenizer.warnings[0]
    assert len(tokenizer.hf) == tokenizer.vocab_size == 601


@pytest.mark.parametrize(
    ("file", "text", "licence"),
    [
        ("README.md", "---\nlicense: apache-2.0\n---\n# Model", "apache-2.0"),
        ("README.md", "---\nlicense: other\nlicense_name: 'house rules'\n---\n", "house rules"),
        ("LICENSE", "\n   # The Tiny Licence\nfurther", "The Tiny Licence (LICENSE)"),
        ("README.md", "no front matter, license: mit", "unknown: see the model's page"),
    ],
)
def test_licence(tmp_path, file, text, licence):
    folder = write_folder(tmp_path / "m", byte_level([]))
    (folder / file).write_text(text)
    assert load_tokenizer(folder).licence == licence


# --- ids, pieces, display -----------------------------------------------------------------------


def test_encoding_never_adds_pads_or_cuts(tmp_path):
    made = byte_level(["<s>"])
    made.enable_truncation(4)
    made.enable_padding(length=9)
    tokenizer = load_tokenizer(write_folder(tmp_path / "cut", made))
    text = "one two three four five six"
    assert len(tokenizer.ids(text)) > 4
    assert "".join(piece for piece, _ in tokenizer.pieces(text)) == text
    batch = tokenizer.backend.encode_batch(["a", "a b c d e f"])
    assert len(batch[0].ids) == 1


@pytest.mark.parametrize("text", TRICKY)
@pytest.mark.parametrize("make", [byte_level, sentence_piece])
def test_pieces_join_to_the_text(tmp_path, make, text):
    tokenizer = load_tokenizer(write_folder(tmp_path / "t", make(["<|eot_id|>"])))
    pieces = tokenizer.pieces(text)
    assert [i for _, i in pieces] == tokenizer.ids(text)
    assert "".join(piece for piece, _ in pieces) == text


def test_fragments_of_a_character():
    tokenizer = load_tokenizer("llama-3.1")
    pieces = tokenizer.pieces("a▁b")
    assert [piece for piece, _ in pieces] == ["a", "▁", "", "b"]
    shown = tokenizer.tokens([i for _, i in pieces])
    assert shown == ["a", "<0xE2 0x96>", "<0x81>", "b"]


def test_display_of_a_sentence_piece_tokenizer(tmp_path):
    tokenizer = load_tokenizer(write_folder(tmp_path / "sp", sentence_piece(["<s>"])))
    shown = tokenizer.tokens(tokenizer.ids("the €"))
    assert "".join(shown).startswith(" the ")
    assert shown[-3:] == ["<0xE2>", "<0x82>", "<0xAC>"]


def test_equal_by_content(tmp_path):
    folder = write_folder(tmp_path / "a", byte_level(["<s>"]))
    first = load_tokenizer(folder)
    assert first == load_tokenizer(folder)
    assert hash(first) == hash(load_tokenizer(folder))
    write_folder(tmp_path / "a", byte_level(["</s>"]))
    assert first != load_tokenizer(folder)


# --- bad input: one sentence --------------------------------------------------------------------


def one_sentence(error: InputError) -> str:
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def write(path, text: str | bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


BROKEN = {
    "not there": (lambda d: d / "missing" / "tokenizer.json", "There is no tokenizer"),
    "no such name": (lambda d: "lama", r"llama-3\.1, tekken.* or a hub id"),
    "empty folder": (lambda d: d, "has no tokenizer.json; save"),
    "not JSON": (lambda d: write(d / "tokenizer.json", "{oops"), r"not JSON \(.* line 1 col"),
    "empty": (lambda d: write(d / "tokenizer.json", ""), "not JSON"),
    "a list": (lambda d: write(d / "tokenizer.json", "[1]"), "has no `model`"),
    "no tokenizer": (lambda d: write(d / "tokenizer.json", '{"a": 1}'), "has no `model`"),
    "unreadable": (
        lambda d: write(d / "tokenizer.json", '{"model": {"type": "New"}}'),
        "`tokenizers` .* cannot read it",
    ),
    "not UTF-8": (lambda d: write(d / "tokenizer.json", b"\xff\xfe{}"), "not UTF-8"),
    "config of another model": (
        lambda d: write_folder(d, byte_level([]), config={"vocab_size": 599}),
        "vocab_size 599, .* ids up to 599; the two files are of different models",
    ),
    "config without V": (
        lambda d: write_folder(d, byte_level([]), config={"model_type": "own"}),
        "config.json has no 'vocab_size', .* model_type 'own'",
    ),
    "broken config": (
        lambda d: write(write_folder(d, byte_level([])) / "config.json", "{,}").parent,
        r"config.json is not readable JSON",
    ),
    "config is a list": (
        lambda d: write(write_folder(d, byte_level([])) / "config.json", "[]").parent,
        "config.json must hold one JSON object, not a list",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_input(tmp_path, case):
    make, expected = BROKEN[case]
    with pytest.raises(InputError, match=expected) as caught:
        load_tokenizer(make(tmp_path))
    one_sentence(caught.value)


def test_missing_config(tmp_path):
    folder = write_folder(tmp_path, byte_level([]))
    with pytest.raises(InputError, match="There is no config file"):
        load_tokenizer(folder, config=tmp_path / "nope.json")


def test_dropout_is_refused(tmp_path):
    kept = json.loads(byte_level([]).to_str())
    kept["model"]["dropout"] = 0.1
    write(tmp_path / "tokenizer.json", json.dumps(kept))
    with pytest.raises(InputError, match="drops merges at random"):
        load_tokenizer(tmp_path)


# --- hub ----------------------------------------------------------------------------------------


def test_hub_without_internet(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError, match="@v2 cannot be downloaded: no connection to the hub"
    ) as caught:
        load_tokenizer("org/none", revision="v2")
    assert "check the internet connection" in one_sentence(caught.value)


def test_hub_files_alone_are_fetched_and_the_commit_is_kept(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = write_folder(tmp_path / commit, byte_level([]), config={"vocab_size": 640})
    asked = {}

    def download(repo, *, revision, allow_patterns):
        asked.update(repo=repo, revision=revision, patterns=allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    tokenizer = load_tokenizer("org/model", revision="main")
    assert (tokenizer.name, tokenizer.source) == ("org/model", f"org/model@{commit}")
    assert tokenizer.vocab_size == 640
    assert asked["revision"] == "main"
    assert not any("py" in pattern or "safetensors" in pattern for pattern in asked["patterns"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("GatedRepoError", "is gated; accept its licence"),
        ("RepositoryNotFoundError", "does not exist on the hub, or is private"),
        ("RevisionNotFoundError", "has no such revision"),
    ],
)
def test_hub_refusals(monkeypatch, error, expected):
    import httpx
    from huggingface_hub import errors

    def download(*_, **__):
        response = httpx.Response(404, request=httpx.Request("GET", "https://hub.invalid"))
        raise getattr(errors, error)("no", response=response)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(InputError, match=expected) as caught:
        load_tokenizer("org/model")
    one_sentence(caught.value)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", None])
def test_a_damaged_copy_of_a_bundled_tokenizer_is_made_again(damage, tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path))
    first = load_tokenizer("smollm2").fingerprint
    (copy,) = (tmp_path / "tokenizers").glob("smollm2-*.json")
    if damage is None:
        copy.write_bytes(copy.read_bytes()[:-100])
    else:
        copy.write_bytes(damage)
    assert load_tokenizer("smollm2").fingerprint == first
    assert load_tokenizer("smollm2").fingerprint == first
