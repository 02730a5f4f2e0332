"""Engines give HF's ids; where one is known or found not to, it is not believed."""

from __future__ import annotations

import functools
import itertools
import threading
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from helpers.real_data import VENDORS, real_tokenizer
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from vocabtrim_core.counting import engines as engines_module
from vocabtrim_core.counting import memory
from vocabtrim_core.counting.engines import ENGINES, Reference, engines, objection
from vocabtrim_core.counting.proof import MARKUP, UNICODE, ExactEngine, MismatchError, ProofSample
from vocabtrim_core.counting.unicode_exceptions import unicode_17_ranges, with_unicode_17
from vocabtrim_core.errors import InputError

NAMES = (*VENDORS, "shared:qwen-151k", "shared:llama4-200k")
FAST = tuple(name for name in ENGINES if name != engines_module.REFERENCE)
TRICKY = [
    "",
    " ",
    "\n",
    "  \n\n \t",
    "Hello, world!",
    "don't we'LL I'm",
    " leading and trailing  ",
    "a\u00a0b\u2003c\u3000d\x0b\x0c\x85e",
    "1234567 ٣٤٥ ½ Ⅷ",
    "e\u0301 é \u1e9b\u0323 ﬁ Å \u212b",
    "нормально ελληνικά עברית العربية",
    "สวัสดี नमस्ते 안녕하세요 你好 こんにちは",
    "👩‍👧‍👦 🏳️‍🌈 😀",
    "def f(x):\n\treturn x  # \r\n",
    "<|eot_id|>x<|im_end|></s>[INST]<think>",
    "\ufeff\u200b\x00\x7f\ufffd",
    "x" * 3000,
    " " * 300 + "end",
    "\n" * 50,
    "$\\frac{a}{b}$ https://example.org/?q=1&r=2",
]


@functools.cache
def engine_of(name, engine):
    """Loading takes most of a second, so tests that do not change an engine share it."""
    return ENGINES[engine](real_tokenizer(name))


def byte_level(**model) -> Backend:
    """A tokenizer of single bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE({letter: i for i, letter in enumerate(letters)}, [], **model))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def tiny(backend: Backend | None = None) -> SimpleNamespace:
    backend = backend or byte_level()
    return SimpleNamespace(backend=backend, json=backend.to_str(), name="tiny")


def texts(values) -> pa.LargeStringArray:
    return pa.array(values, pa.large_string())


def by_text(encoded) -> list[list[int]]:
    ids, offsets = encoded
    assert (ids.dtype, offsets.dtype) == (np.uint32, np.int64)
    return [ids[a:b].tolist() for a, b in itertools.pairwise(offsets)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", FAST)
def test_ids_are_those_of_hf_tokenizers(name, engine):
    backend = real_tokenizer(name).backend
    true = [backend.encode(text, add_special_tokens=False).ids for text in TRICKY]
    made = engine_of(name, engine)
    assert by_text(made.encode(texts(TRICKY))) == true
    assert by_text(made.encode(texts(TRICKY)[3:9])) == true[3:9]
    assert by_text(made.encode(texts([]))) == []
    assert by_text(Reference(real_tokenizer(name)).encode(texts(TRICKY))) == true


def test_threads_with_an_engine_each_agree_with_one():
    many = texts([f"{i} {text}" for i in range(40) for text in TRICKY])
    made = [engine_of("llama-3.1", "gigatoken")]
    made.append(ENGINES["gigatoken"](real_tokenizer("llama-3.1")))
    alone, found = by_text(made[0].encode(many)), {}

    def run(i):
        found[i] = [by_text(made[i].encode(many)) for _ in range(5)]

    running = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert found == {0: [alone] * 5, 1: [alone] * 5}


def test_order_of_preference(monkeypatch):
    tokenizer = tiny()
    assert next(engines(tokenizer)).label.startswith("gigatoken ")
    assert next(engines(tokenizer, ["fastokens"])).label.startswith("fastokens ")
    with pytest.raises(InputError, match="no engine warp"):
        next(engines(tokenizer, ["warp"]))
    monkeypatch.setattr(engines_module, "find_spec", lambda name: None if name in FAST else True)
    failed: list[str] = []
    assert [e.label.split()[0] for e in engines(tokenizer, failed=failed)] == ["tokenizers"]
    assert failed == ["gigatoken: not installed", "fastokens: not installed"]


def test_engine_that_cannot_load_is_passed_over_with_a_reason(monkeypatch):
    class Broken(Reference):
        def __init__(self, tokenizer):
            raise RuntimeError("cannot read merges\nat byte 7")

    monkeypatch.setitem(ENGINES, "gigatoken", Broken)
    failed: list[str] = []
    found = next(engines(tiny(), failed=failed))
    assert found.label.startswith("fastokens ")
    assert failed == ["gigatoken: cannot read merges"]


# --- tokenizers that only HF's own code is trusted with ----------------------------------------


def objects_to(backend: Backend) -> str:
    return objection(tiny(backend))


def test_plain_byte_level_tokenizers_may_use_fast_engines():
    backend = byte_level()
    assert objects_to(backend) == ""
    backend.normalizer = normalizers.NFC()
    assert objects_to(backend) == ""
    backend.normalizer = normalizers.Sequence([])
    assert objects_to(backend) == ""
    assert [objection(real_tokenizer(name)) for name in VENDORS] == [""] * 2


def test_the_bundled_tokenizer_that_cuts_digits_is_left_to_hf():
    """SmolLM2's has no tokens for some bytes either, which fast engines cannot read."""
    assert "Digits" in objection(real_tokenizer("smollm2"))


def test_anything_else_is_left_to_hf():
    for normalizer in (normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(" ", "▁")):
        backend = byte_level()
        backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizer])
        assert "only HF tokenizers" in objects_to(backend)
    for step in (pre_tokenizers.Metaspace(), pre_tokenizers.Digits(), pre_tokenizers.Whitespace()):
        backend = byte_level()
        backend.pre_tokenizer = pre_tokenizers.Sequence([step, pre_tokenizers.ByteLevel()])
        assert type(step).__name__ in objects_to(backend)
    for steps in (
        [pre_tokenizers.ByteLevel(add_prefix_space=True)],
        [pre_tokenizers.Split(Regex(r"\d"), "isolated")],
    ):
        backend = byte_level()
        backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
        assert "byte-level step" in objects_to(backend)
    backend = byte_level()
    backend.add_tokens(["\n\n"])
    assert "hardly text" in objects_to(backend)
    assert "byte-level BPE (WordPiece)" in objects_to(
        Backend(models.WordPiece({"a": 0}, unk_token="a"))
    )
    assert "byte-level BPE" in objects_to(byte_level(unk_token="Ġ"))
    assert "byte-level BPE" in objects_to(byte_level(byte_fallback=True))


def test_dropout_is_refused():
    with pytest.raises(InputError, match="tiny has BPE dropout"):
        objects_to(byte_level(dropout=0.1))


# --- proof --------------------------------------------------------------------------------------


def test_guard_finds_every_code_point_of_the_table_and_no_other():
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    inside = {c for first, last in unicode_17_ranges() for c in range(first, last + 1)}
    found = with_unicode_17(texts([f"é{chr(c)}" for c in codes]))
    assert {codes[i] for i in found} == inside
    assert len(with_unicode_17(texts([]))) == 0
    assert with_unicode_17(texts(["a", "", "b\u088f", "c", "\U00033479"])[1:]).tolist() == [1, 3]


@pytest.mark.parametrize("filler", ["plain ", "é", "\u4e00", "\U0001f600"])
@pytest.mark.parametrize("size", [1, 700, 30_000])
def test_guard_finds_them_wherever_they_stand(filler, size):
    """Whatever stands around them: text with few bytes above ASCII is looked at another way."""
    newest = chr(unicode_17_ranges()[-1][1])
    for at in (0, size // 2, size):
        many = [filler * size, filler * at + newest + filler * (size - at), filler * size]
        assert with_unicode_17(texts(many)).tolist() == [1]


@pytest.mark.parametrize("name", ["llama-3.1", "shared:qwen-151k"])
def test_newer_unicode_is_routed_to_hf(name):
    tokenizer = real_tokenizer(name)
    raw = engine_of(name, "gigatoken")
    many = texts(
        ["plain", "\u088f\u088f \u088f's", "more", "a\u0c3c\u0301", "", "\U000323b0 \U000323b0's"]
    )
    true = by_text(Reference(tokenizer).encode(many))
    assert by_text(raw.encode(many)) != true  # else the table has outlived its reason
    encoded, proof = ExactEngine(raw, tokenizer).encode(many)
    assert by_text(encoded) == true
    assert proof.routed == {UNICODE: 3}
    assert (proof.texts, proof.checked) == (6, 1)


class Wrong(Reference):
    """HF's ids, but for texts that hold a certain word."""

    def encode(self, texts):
        ids, offsets = super().encode(texts)
        ids = ids.copy()
        for i, text in enumerate(texts.to_pylist()):
            if "banana" in text:
                ids[offsets[i]] += 1
        return ids, offsets


class WrongEngine:
    """The same, but not a subclass of the reference."""

    label, newer_unicode, parallel, grows = "wrong 1.0", False, False, False

    def __init__(self, tokenizer):
        self._inner = Wrong(tokenizer)

    def encode(self, texts):
        return self._inner.encode(texts)


def test_a_wrong_id_in_the_sample_is_a_mismatch():
    exact = ExactEngine(WrongEngine(tiny()), tiny())
    assert exact.encode(texts(["apple"] * 1500))[1].checked == 2
    exact.encode(texts(["apple", "a banana"]))  # outside of the sample
    for many in (["a banana"], ["apple"] * 1000 + ["a banana"]):
        with pytest.raises(MismatchError, match=r"wrong 1\.0: other ids .* 'a banana'"):
            exact.encode(texts(many))


def test_claim_is_for_every_text():
    exact, reference = ExactEngine(WrongEngine(tiny()), tiny()), Reference(tiny())
    good, bad = texts(["apple", "pear"]), texts(["apple", "a banana"])
    proof = exact.claim(good)(reference.encode(good))
    assert (proof.checked, proof.checked_bytes) == (2, len("applepear"))
    agrees = exact.claim(bad)
    with pytest.raises(MismatchError, match="'a banana'"):
        agrees(reference.encode(bad))
    long = texts(["apple", "banana " * 50_000])  # too long to ask HF about
    assert exact.claim(long)(reference.encode(long)).checked == 1
    assert ExactEngine(reference, tiny()).claim(bad)(reference.encode(bad)).checked == 0


def test_texts_among_the_first_are_not_reported_twice():
    exact = ExactEngine(WrongEngine(tiny()), tiny(), first={"0000@1": 2000})
    many = texts(["apple"] * 3500)
    rows = exact.sample.rows(3500, "0000@1")
    later = int((rows >= 2000).sum())
    assert 0 < later < len(rows)
    assert exact.encode(many, block="0000@1")[1].checked == later
    assert exact.fresh().encode(many, block="0000@1")[1].checked == later
    assert exact.encode(many, block="0001@1")[1].checked in (3, 4)
    wrong = many.to_pylist()
    wrong[rows[0]] = "a banana"
    with pytest.raises(MismatchError):  # but they are compared again: another thread's engine
        exact.encode(texts(wrong), block="0000@1")


def test_the_size_of_a_sample_follows_its_rule():
    kb, mb, gb = 2**10, 2**20, 2**30
    for text, first, one_in in (
        (0, 64 * kb, 1000),
        (mb, 64 * kb, 1000),
        (5 * mb, 256 * kb, 1000),
        (10 * mb, 512 * kb, 1000),
        (200 * mb, 512 * kb, 1000),
        (500 * mb, 512 * kb, 2000),
        (10 * gb, 512 * kb, 40960),
    ):
        assert ProofSample.of(text) == ProofSample(first, one_in)
        # Texts of a kilobyte, a thousand to a block: no more is checked however large the corpus.
        blocks = text // kb // 1000
        spread = sum(len(ProofSample.of(text).rows(1000, f"0000@{i}")) for i in range(blocks))
        assert spread <= 1.3 * min(max(text // kb / 1000, 1), 256) + 20


def test_a_sample_is_spread_over_every_block_alike():
    """One text in a thousand of blocks with a hundred: a tenth of the blocks, all places alike."""
    sample = ProofSample(0, 1000)
    found = [sample.rows(100, f"0000-00000@{first}") for first in range(1, 400_001, 100)]
    share = sum(map(len, found)) / len(found)
    assert 0.08 < share < 0.12
    assert 40 < np.mean(np.concatenate(found)) < 60


def test_markup_that_takes_blanks_is_left_to_hf():
    backend = byte_level()
    backend.add_special_tokens([AddedToken("<end>", rstrip=True)])
    exact = ExactEngine(WrongEngine(tiny(backend)), tiny(backend))
    many = texts(["a <end>  banana"])
    (ids, _), proof = exact.encode(many, markup=True)
    assert ids.tolist() == backend.encode("a <end>  banana").ids
    assert proof.routed == {MARKUP: 1}


def test_renewed_engine_goes_on():
    tokenizer = tiny()
    exact = ExactEngine(ENGINES["gigatoken"](tokenizer), tokenizer)
    before = by_text(exact.encode(texts(TRICKY))[0])
    old = exact.engine
    exact.renew()
    assert exact.engine is not old
    assert by_text(exact.encode(texts(TRICKY))[0]) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", FAST)
def test_every_code_point_reads_alike_but_for_the_table(name, engine):
    """Derives UNICODE_17: letters, digits, marks, and what NFC does to them (20 minutes in all)."""
    made = engine_of(name, engine)
    reference = Reference(real_tokenizer(name))
    contexts = (
        "a{0}b 1{0}2 .{0}\n",
        "{0}{0} {0}'s",
        "A{0}\u0301{0}é",
        "e{0}",
        "{0} x\n{0}",
        "a\u0345{0}",
        "a{0}\u0334",
        "a{0}\u0323",
        "\U00011935{0}",
        "{0}\U00011930",
    )
    table = {c for first, last in unicode_17_ranges() for c in range(first, last + 1)}
    newer = table if made.newer_unicode else set()
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for context in contexts:
        for start in range(0, len(codes), 20_000):
            some = codes[start : start + 20_000]
            many = texts([context.format(chr(c)) for c in some])
            mine, theirs = by_text(made.encode(many)), by_text(reference.encode(many))
            differ = {c for c, a, b in zip(some, mine, theirs, strict=True) if a != b}
            assert differ <= newer, context


def test_allocated_memory_is_what_is_in_use(monkeypatch):
    before = memory.allocated()
    held = np.ones(64 * 2**20, np.uint8)
    assert 60 * 2**20 < memory.allocated() - before < 70 * 2**20
    del held
    memory.release()
    assert abs(memory.allocated() - before) < 8 * 2**20
    monkeypatch.setattr(memory, "_glibc", dict)  # another C library
    memory.release()
    assert 0 < memory.allocated() <= memory.private()
