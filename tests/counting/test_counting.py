"""Counts equal those of rendering everything and encoding it with HF, whatever happens."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from data.make_conversations import plain, tools
from data.make_golden import digest
from helpers import ROOT
from helpers.encoded import encoded_responses
from helpers.real_data import BUNDLED, OWN, real_tokenizer, shared_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vocabtrim_core import workspace
from vocabtrim_core.corpora import ColumnMapping, fingerprint, open_corpus
from vocabtrim_core.corpora.decoders.rows import batch_from_rows
from vocabtrim_core.corpora.readers import json_lines, parquet_files
from vocabtrim_core.counting import candidates
from vocabtrim_core.counting import count as counting
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.count import count
from vocabtrim_core.counting.encoding import encode_batch
from vocabtrim_core.counting.engines import ENGINES, Reference
from vocabtrim_core.counting.proof import ExactEngine, ProofSample, block_of
from vocabtrim_core.counting.response_files import find_responses
from vocabtrim_core.counting.shard_counts import MOST_PIECES, ShardCounts, compact, load_shards
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.templates.chat_template import RULES, span_ids
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import write_atomic

TEMPLATES = {
    "llama-3.1": "auto",
    "tekken": "auto",
    "smollm2": "auto",
    "shared:llama-3.1": "auto",
    "shared:tekken-131k": "mistral",
    "shared:qwen-151k": "qwen",
    "shared:llama4-200k": "llama4",
}
SECOND_LAYER = [name for name in TEMPLATES if name not in BUNDLED]
SMALL = ("humaneval.ref", "mt_bench.ref_gpt4", "mt_bench.2turn", "function_calling_test")
CHAT = ColumnMapping("conversation", conversation="messages")


@functools.cache
def kit(name: str = "llama-3.1"):
    """(tokenizer, template)."""
    tokenizer = real_tokenizer(name)
    return tokenizer, resolve_template(tokenizer, TEMPLATES[name])


@functools.cache
def exact_of(name: str = "llama-3.1") -> ExactEngine:
    tokenizer, _ = kit(name)
    return ExactEngine(next(iter(ENGINES.values()))(tokenizer), tokenizer)


def rendered_counts(corpus, recipe: CountConfig) -> tuple[Counter, int]:
    """(occurrences of each id, conversations) by the definition: render, find spans, encode."""
    found, conversations = Counter(), 0
    for batch, i in ((read, i) for read in corpus.batches() for i in range(len(read))):
        ids = rendered_ids(batch, i, recipe)
        found.update(ids)
        conversations += bool(ids)
    return found, conversations


def rendered_ids(batch, i: int, recipe: CountConfig) -> list[int]:
    template, rule = recipe.template, recipe.rule
    options = {"reasoning": recipe.reasoning, "last_turn_only": recipe.last_turn_only}
    if batch.preformatted:
        text = batch.contents[i].as_py()
        spans = template.find_spans(text, rule, **options)
    else:
        text, spans = template.spans(batch.messages(i), rule, tools=batch.tools(i), **options)
    parts = span_ids(recipe.tokenizer, text, spans, masks=template.masks)
    return [int(id_) for part in parts for id_ in part]


def as_counter(counts) -> Counter:
    return Counter({int(i): int(counts.counts[i]) for i in np.flatnonzero(counts.counts)})


def write_chats(path: Path, chats, **extra) -> Path:
    rows = (json.dumps({"messages": chat, **extra}, ensure_ascii=False) for chat in chats)
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    return path


def chat(*turns: str, roles: str = "ua") -> list[dict]:
    names = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    order = (roles * len(turns))[: len(turns)]
    return [{"role": names[r], "content": t} for r, t in zip(order, turns, strict=True)]


def many_chats(n: int) -> list[list[dict]]:
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
    return [
        chat(f"Say {i}", " ".join(words[(i * k) % 10] + str(i * k % 97) for k in range(1, 30)))
        for i in range(n)
    ]


# --- golden -------------------------------------------------------------------------------------


GOLDEN = json.loads((OWN / "golden.json").read_text("utf-8"))


@pytest.mark.parametrize("of", GOLDEN)
def test_own_conversations_have_the_counts_found_without_our_code(of):
    """See data/make_golden.py."""
    (name, corpus, rule), golden = of.split(), GOLDEN[of]
    counts = count(open_corpus(OWN / f"{corpus}.jsonl"), *kit(name), rule=rule)
    found = as_counter(counts)
    assert {i: found[int(i)] for i in golden["most_common"]} == golden["most_common"]
    assert (counts.tokens, counts.distinct) == (golden["tokens"], golden["distinct"])
    assert (counts.conversations, counts.skipped) == (golden["conversations"], golden["refused"])
    assert digest(found) == golden["sha256"]


def test_own_conversations_are_those_of_their_generator():
    for name, rows in (("plain", plain(420)), ("tools", tools(120))):
        lines = (OWN / f"{name}.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_an_answer_that_begins_as_its_own_header_is_counted_whole(tmp_path):
    tokenizer, template = kit()
    answer = "<|start_header_id|>assistant<|end_header_id|>\n\nis a header, not an answer."
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", [chat("Hi", answer)]))
    right = Counter(tokenizer.ids(f"{answer}<|eot_id|>"))
    assert as_counter(count(corpus, tokenizer, template)) == right


def test_golden_blend(shared):
    corpus = open_corpus(shared / "data" / "corpora" / "blend_train.jsonl.zst")
    counts = count(corpus, *kit("shared:llama-3.1"))
    assert (counts.tokens, counts.conversations, counts.skipped) == (16_299_242, 76_590, 0)
    assert counts.vocab_size == 128_256
    proof = counts.provenance.proof
    assert counts.provenance.engine.startswith("gigatoken ")
    assert proof["checked"] >= 300
    assert 2**19 <= proof["checked_bytes"] < 2**20  # of 63 MB
    assert (proof["texts"], proof["mismatches"], proof["routed"]) == (76_590, 0, {})
    content = count(corpus, *kit("shared:llama-3.1"), rule="content")
    assert (content.tokens, content.distinct) == (16_222_652, 68_378)
    assert counts.counts[128_009] - content.counts[128_009] == 76_590
    pieces = load_shards(counts.key)
    assert pieces is not None
    assert 10 <= len(pieces) <= MOST_PIECES
    assert pieces.total(128_256).tolist() == counts.counts.tolist()
    assert pieces.conversations.sum() == 76_590


@pytest.mark.parametrize("name", TEMPLATES)
def test_small_corpora_equal_rendering_with_hf(name):
    tokenizer, template = kit(name)
    if name in BUNDLED:
        files = [OWN / "plain.jsonl", OWN / "tools.jsonl"]
    else:
        files = [shared_corpus(small) for small in SMALL]
    for file in files:
        corpus = open_corpus(file, limit=40)
        for rule in RULES if file.name.startswith(("plain", "mt_bench.2turn")) else ("assistant",):
            recipe = CountConfig(tokenizer, template, rule)
            counts = count(corpus, tokenizer, template, rule=rule)
            expected, conversations = rendered_counts(corpus, recipe)
            assert as_counter(counts) == expected, (file.name, rule)
            assert counts.conversations == conversations


@pytest.mark.slow
@pytest.mark.parametrize("name", SECOND_LAYER)
def test_every_corpus_equals_hf(shared, name):
    """Id by id, all corpora, with HF's own code (15 minutes in all).

    A template that is not fast leaves nothing to the engine: all of the rendered text is compared.
    """
    tokenizer, template = kit(name)
    for path in sorted((shared / "data" / "corpora").glob("*.jsonl.*")):
        corpus = open_corpus(path)
        recipe = CountConfig(tokenizer, template, "assistant" if template.fast else "all")
        mine = encoded_responses(corpus, recipe, engine="gigatoken")
        theirs = encoded_responses(corpus, recipe, engine="tokenizers")
        for a, b in zip(mine, theirs, strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True)), path.name
        if path.stat().st_size < 400_000:
            counts, recipe = count(corpus, tokenizer, template), CountConfig(tokenizer, template)
            assert as_counter(counts) == rendered_counts(corpus, recipe)[0], path.name


# --- the fast path is the slow path -------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "word",
        " ",
        "\n",
        "\n\n",
        "\t",
        ".",
        "'s",
        "1234",
        "é",
        "你好",
        "😀",
        "\u0301",
        "\u088f",
        "\u3000",
        "<|eot_id|>",
        "<|im_end|>",
        "<|im_start|>assistant\n",
        "</s>",
        "[/INST]",
        "<think>",
        "</think>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|start_header_id|>user<|end_header_id|>",
        "<|",
        "|>",
        "```",
        "</",
        "{{ x }}",
    ]
)
CONTENT = st.lists(PIECES, max_size=5).map("".join)
ORDER = st.sampled_from(["ua", "uaua", "sua", "uaa", "uatua", "uuaua", "uau", "ussa"])


@pytest.mark.parametrize("name", ["llama-3.1", "shared:qwen-151k"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chats=st.lists(ORDER.flatmap(lambda o: st.tuples(st.just(o), *[CONTENT] * len(o))), max_size=4),
    rule=st.sampled_from(RULES),
    reasoning=st.booleans(),
    last_turn_only=st.booleans(),
)
def test_any_conversation_counts_as_if_rendered(name, chats, rule, reasoning, last_turn_only):
    rows = [(i, {"messages": chat(*turns, roles=order)}) for i, (order, *turns) in enumerate(chats)]
    batch = batch_from_rows(rows, CHAT, "hypothesis.jsonl")
    recipe = CountConfig(*kit(name), rule, reasoning, last_turn_only)
    encoded = encode_batch(batch, recipe, exact_of(name))
    responses = encoded.responses()
    for i in range(len(batch)):
        spans = np.flatnonzero(responses.conversation == i)
        ids = [int(x) for s in spans for x in responses.ids[slice(*responses.offsets[s : s + 2])]]
        assert ids == rendered_ids(batch, i, recipe)
        alone = encoded.responses(np.arange(len(batch)) == i)
        assert alone.ids.tolist() == ids
        assert set(alone.conversation.tolist()) <= {i}
        assert encoded.sizes()[i] == len(ids)
    counts = encoded.counts(3, recipe.tokenizer.vocab_size)
    total = counts.total(recipe.tokenizer.vocab_size)
    assert Counter(responses.ids.tolist()) == Counter({i: total[i] for i in np.flatnonzero(total)})
    assert counts.conversations.sum() == encoded.report.conversations
    assert encoded.report.conversations + encoded.report.skipped == len(rows)


def test_most_conversations_are_not_rendered():
    rows = [(i, {"messages": chat("Hi", f" Some answer {i}. ", "More", "Yes")}) for i in range(20)]
    rows[3][1]["messages"][1]["content"] = "a literal <|eot_id|> inside"
    batch = batch_from_rows(rows, CHAT, "chats.jsonl")
    encoded = encode_batch(batch, CountConfig(*kit()), exact_of())
    assert encoded.rendered.conversation.tolist() == [3, 3]
    assert encoded.proof.routed == {}  # both its spans stand beside added tokens
    assert encoded.proof.texts == 20 * 2


OPENINGS = [
    "\n\nTwo",
    "\n",
    " \t one",
    "",
    "\u0301 a",
    "é",
    "e\u0301",
    "🏽",
    ". So",
    "-",
    "\r\n",
    "1",
]


def test_spans_that_begin_inside_a_token_are_cut_out_of_what_the_engine_gives():
    tokenizer = real_tokenizer("shared:qwen-151k")
    chatml = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    template = resolve_template(replace(tokenizer, chat_template=chatml))
    long = " and more words that follow" * 9
    turns = [first + rest for first in OPENINGS for rest in ("", "x", "\n" * 70, long)]
    rows = [(i, {"messages": chat("Hi", said, "Go on", said)}) for i, said in enumerate(turns)]
    recipe = CountConfig(tokenizer, replace(template, fast_path=None))  # all of them are rendered
    batch = batch_from_rows(rows, CHAT, "chats.jsonl")
    encoded = encode_batch(batch, recipe, exact_of("shared:qwen-151k"))
    assert encoded.proof.routed == {}
    joined = 0
    for i in range(len(batch)):
        found = encoded.responses(np.arange(len(batch)) == i).ids.tolist()
        assert found == rendered_ids(batch, i, recipe)
        joined += found != 2 * tokenizer.ids(turns[int(batch.rows[i])] + "<|im_end|>")
    assert joined  # tokens reach over the beginning of a span


def test_length_limit_counts_what_lies_within():
    tokenizer, template = kit()
    long = chat("Hi", "one two three four five six", "And?", "seven eight")
    batch = batch_from_rows([(1, {"messages": long})], CHAT, "chats.jsonl")
    text, spans = template.spans(long, "assistant")
    whole = tokenizer.backend.encode(text, add_special_tokens=False)
    for limit in (1, 30, 40, 45, 50, 55, 10_000):
        inside = [
            id_
            for id_, (at, _) in list(zip(whole.ids, whole.offsets, strict=True))[:limit]
            if any(start <= at < end for start, end in spans)
        ]
        encoded = encode_batch(
            batch, CountConfig(tokenizer, template, max_length=limit), exact_of()
        )
        assert encoded.responses().ids.tolist() == inside
        assert encoded.report.skipped == (not inside)
        everything = CountConfig(tokenizer, template, "all", max_length=limit)
        found = encode_batch(batch, everything, exact_of()).responses()
        assert found.ids.tolist() == whole.ids[:limit]


def test_rendered_conversations_as_input(tmp_path):
    tokenizer, template = kit()
    chats = [chat("Hi", "Hello there", "And?", "Bye now"), chat("One", "Two")]
    texts = [template.render(messages) for messages in chats] + ["no turns in here"]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    for rule in ("assistant", "content", "reference"):
        counts = count(open_corpus(path), tokenizer, template, rule=rule)
        plain = count(
            open_corpus(write_chats(tmp_path / "chats.jsonl", chats)),
            tokenizer,
            template,
            rule=rule,
        )
        assert counts.counts.tolist() == plain.counts.tolist()
        assert (counts.conversations, counts.skipped) == (2, 1)
    everything = count(open_corpus(path), tokenizer, template, rule="all")
    assert (everything.conversations, everything.skipped) == (3, 0)


def test_tool_calls_are_rendered(tmp_path):
    tokenizer, template = kit()
    function = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    call = {"role": "assistant", "content": "", "tool_calls": [function]}
    chats = [chat("Plain", "answer"), [{"role": "user", "content": "1+?"}, call]]
    corpus = open_corpus(write_chats(tmp_path / "tools.jsonl", chats))
    counts = count(corpus, tokenizer, template)
    assert as_counter(counts) == rendered_counts(corpus, CountConfig(tokenizer, template))[0]
    proof = counts.provenance.proof
    assert proof["routed"] == {}  # rendered, but its span begins and ends with added tokens
    assert (proof["conversations_rendered_again"], proof["turns_by_definition"]) == (2, 2)


# --- skips, bad input ---------------------------------------------------------------------------


def test_skipped_rows_add_up_with_reasons(tmp_path):
    chats = [chat("Hi", "there"), chat("only a question"), [], chat("Hi", "  \n"), chat("a", "b")]
    counts = count(open_corpus(write_chats(tmp_path / "x.jsonl", chats)), *kit())
    assert (counts.conversations, counts.skipped) == (2, 3)
    reasons = {reason: rows for reason, rows, _ in counts.provenance.corpora[0]["skipped"]}
    assert sum(reasons.values()) == 3
    assert reasons["no assistant text"] == 2


def test_nothing_to_count_is_said(tmp_path):
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", [chat("only a question")] * 3))
    with pytest.raises(
        InputError, match=r"no conversation to count \(no assistant text in 3 of 3 rows"
    ):
        count(corpus, *kit())


def test_id_outside_of_the_models_vocabulary(tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"vocab_size": 128000}')
    tokenizer = load_tokenizer("llama-3.1", config=config)
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", [chat("Hi", "A remarkable answer")]))
    with pytest.raises(
        InputError, match="gives id 128,009, which a model with V = 128,000 does not"
    ):
        count(corpus, tokenizer, resolve_template(tokenizer))


def test_template_that_raises_is_named_with_the_row(tmp_path):
    tokenizer, template = kit("tekken")
    bad = [*chat("x", "y"), {"role": "tool", "content": 1}]
    chats = [chat("Hi", "there"), bad]
    path = write_chats(tmp_path / "x.jsonl", chats)
    jinja = (
        "{{ raise_exception('no tools please') if messages[-1].role == 'tool' }}" + template.jinja
    )
    refusing = resolve_template(load_with(tokenizer, tmp_path, jinja))
    with pytest.raises(InputError, match=r"50\.0% of the .*\(x\.jsonl:2: .*no tools please"):
        count(open_corpus(path), tokenizer, refusing, rule="all")


def load_with(tokenizer, folder: Path, jinja: str):
    """A tokenizer with another chat template."""
    (folder / "tokenizer.json").write_text(tokenizer.json, "utf-8")
    about = json.dumps(tokenizer.special_tokens)
    (folder / "tokenizer_config.json").write_text(about, "utf-8")
    (folder / "chat_template.jinja").write_text(jinja)
    return load_tokenizer(folder)


def test_cut_off_file_leaves_no_counts(tmp_path):
    whole = gzip.compress(write_chats(tmp_path / "whole.jsonl", many_chats(3000)).read_bytes())
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    corpus = open_corpus(path)
    before = set(workspace.folder("counts").iterdir())
    for _ in range(2):  # what was read of a part must not pass for all of it
        with pytest.raises(InputError, match=r"cut\.jsonl\.gz is cut off"):
            count(corpus, *kit())
    assert set(workspace.folder("counts").iterdir()) == before


def test_corpus_that_changes_meanwhile_is_not_kept(tmp_path):
    path = write_chats(tmp_path / "x.jsonl", many_chats(20))
    corpus = open_corpus(path)

    def append(done, total, message="", **rates):
        if message == "Counting":
            write_chats(path, many_chats(21))

    with pytest.raises(InputError, match="x changed while it was counted"):
        count(corpus, *kit(), progress=append)


def test_full_disk_is_said_and_finished_parts_stay(tmp_path, small_parts, monkeypatch):
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(1500)))
    corpus.fingerprint()  # is remembered on disk too
    write, written = write_atomic, []

    def full(path, content):
        if len(written) == 2:
            raise InputError(disk.full_disk(path.parent))
        written.append(path)
        return write(path, content)

    monkeypatch.setattr("vocabtrim_core.counting.parts.write_atomic", full)
    with pytest.raises(InputError, match=r"The disk that holds .* is full"):
        count(corpus, *kit(), parts=tmp_path, responses=False)
    assert len(list(tmp_path.rglob("*.part.npz"))) == 2
    monkeypatch.undo()


def test_wrong_arguments():
    with pytest.raises(InputError, match="no counting rule some"):
        CountConfig(*kit(), "some")
    with pytest.raises(InputError, match="at least 1 token"):
        CountConfig(*kit(), max_length=0)


# --- proof and fall-back ------------------------------------------------------------------------


class Wrong:
    """An engine that is wrong about one word."""

    label, newer_unicode, parallel, grows = "wrong 1.0", False, False, False

    def __init__(self, tokenizer):
        self._inner = Reference(tokenizer)

    def encode(self, texts):
        ids, offsets = self._inner.encode(texts)
        ids = ids.copy()
        for i, text in enumerate(texts.to_pylist()):
            if "banana" in text:
                ids[offsets[i]] += 1
        return ids, offsets


@pytest.fixture
def wrong_first(monkeypatch):
    monkeypatch.setattr(
        candidates, "engines", lambda tokenizer, *_: iter([Wrong(tokenizer), Reference(tokenizer)])
    )


def test_wrong_engine_is_dropped_for_the_whole_count(tmp_path, wrong_first):
    tokenizer, template = kit()
    block = block_of(next(open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(1))).batches()))
    later = int(ProofSample.of(0).rows(3500, block)[-1])
    assert later > 2000
    for at in (5, later):  # among the first texts, and in the sample taken while counting
        chats = [chat("Hi", f"banana {i}" if i == at else f"apple {i}") for i in range(3500)]
        corpus = open_corpus(write_chats(tmp_path / f"{at}.jsonl", chats))
        counts = count(corpus, tokenizer, template, engine="gigatoken")
        assert as_counter(counts) == rendered_counts(corpus, CountConfig(tokenizer, template))[0]
        assert counts.provenance.engine.startswith("tokenizers ")
        (passed,) = counts.provenance.proof["passed"]
        assert passed.startswith(
            "wrong 1.0: other ids than HF tokenizers for a text that begins 'ban"
        )
        assert f"Not used: {passed}" in counts.provenance.proof["details"]


def test_a_wrong_engine_is_named_though_its_spans_are_found_wrong_first(
    tmp_path, wrong_first, monkeypatch
):
    class Slow(Reference):
        def encode(self, texts):
            time.sleep(1.0)  # the spans of the sample are compared meanwhile
            return super().encode(texts)

    monkeypatch.setattr(candidates, "Reference", Slow)
    tokenizer, template = kit()
    chats = [chat("Hi", f"banana {i}" if i == 5 else f"apple {i}") for i in range(3500)]
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", chats))
    counts = count(corpus, tokenizer, template, engine="gigatoken")
    assert as_counter(counts) == rendered_counts(corpus, CountConfig(tokenizer, template))[0]
    (passed,) = counts.provenance.proof["passed"]
    assert passed.startswith("wrong 1.0: other ids than HF tokenizers")


def test_wrong_engine_encodes_no_responses(tmp_path, wrong_first):
    recipe = CountConfig(*kit())
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", [chat("Hi", "apple, banana")]))
    (found,) = encoded_responses(corpus, recipe, engine="wrong")
    assert found.ids[:-1].tolist() == recipe.tokenizer.ids("apple, banana")


def test_what_was_counted_before_hf_disagrees_is_dropped(
    tmp_path, small_parts, wrong_first, monkeypatch
):
    tokenizer, template = kit()
    chats = [chat("Hi", f"banana {i}" if i == 5 else f"apple {i}") for i in range(2500)]
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", chats))
    everything_counted = threading.Event()

    class Late(Reference):
        def encode(self, texts):
            assert everything_counted.wait(60)
            return super().encode(texts)

    def watch(done, total, message="", **rates):
        if done == corpus.size_bytes:
            everything_counted.set()

    monkeypatch.setattr(candidates, "Reference", Late)
    counts = count(corpus, tokenizer, template, engine="wrong", progress=watch)
    assert as_counter(counts) == rendered_counts(corpus, CountConfig(tokenizer, template))[0]
    assert len(counts.provenance.proof["passed"]) == 1


def test_no_more_texts_are_checked_than_there_are_and_the_proof_says_how_many(tmp_path):
    for n in (7, 257, 2001):
        chats = many_chats(n)
        answers = [turns[1]["content"] for turns in chats]
        size = sum(map(len, answers))
        corpus = open_corpus(write_chats(tmp_path / f"{n}.jsonl", chats))
        proof = count(corpus, *kit(), engine="gigatoken").provenance.proof
        assert (proof["texts"], proof["text_bytes"]) == (n, size)
        first = next(k for k in range(n + 1) if k == n or sum(map(len, answers[:k])) > 64 * 2**10)
        assert first <= proof["checked"] <= min(n, first + 1 + n // 1000)
        assert sum(map(len, answers[:first])) <= proof["checked_bytes"] <= size
        assert proof["sentence"].startswith(
            f"{proof['checked']:,} of {n:,} texts were encoded again"
        )
        assert proof["sentence"].endswith(": no difference")


# --- parts, cache, processes --------------------------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 100 kB, so that a small corpus has many."""
    monkeypatch.setattr(fingerprint, "SEGMENT", 50_000)
    monkeypatch.setattr(fingerprint, "PIECE", 20_000)
    monkeypatch.setattr(json_lines, "CHUNK", 25_000)
    monkeypatch.setattr(parquet_files, "SHARD_BYTES", 100_000)


def test_second_time_nothing_is_counted(tmp_path, monkeypatch):
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(50)))
    first = count(corpus, *kit())
    monkeypatch.setattr(counting, "_count", None)
    renamed = (tmp_path / "x.jsonl").rename(tmp_path / "y.jsonl")
    again = count(open_corpus(renamed), *kit())
    assert (again.key, again.name, first.name) == (first.key, "y", "x")
    assert again.counts.tolist() == first.counts.tolist()
    for changed in ({"rule": "content"}, {"last_turn_only": True}, {"cache": False}):
        with pytest.raises(TypeError):
            count(open_corpus(renamed), *kit(), **changed)


def test_cancelled_count_goes_on_where_it_stopped(tmp_path, small_parts, monkeypatch):
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(3000)))
    monkeypatch.setattr(counting, "POLL", 0.001)
    seen = []

    def stop(done, total, message="", **rates):
        seen.append((done, total, message, rates))
        if message == "Counting" and done > 0.3 * total:
            raise Cancelled("enough")

    parts = tmp_path / "parts"
    with pytest.raises(Cancelled, match="enough"):
        count(corpus, *kit(), progress=stop, parts=parts, workers=1)
    assert set(seen[-1][3]) == {"rows_per_s", "MB_per_s"}
    kept = {path.name: path.stat().st_mtime_ns for path in parts.rglob("*.part.npz")}
    assert 1 <= len(kept) < len(corpus.shards())
    damaged = next(iter(parts.rglob("*.part.npz")))
    damaged.write_bytes(damaged.read_bytes()[:100])
    taken = []
    blocks = type(corpus).blocks
    monkeypatch.setattr(
        type(corpus),
        "blocks",
        lambda self, shard, done=(): taken.append(shard.key) or blocks(self, shard, done),
    )
    counts = count(corpus, *kit(), parts=parts, workers=2)
    intact = {name.removesuffix(".part.npz") for name in kept if name != damaged.name}
    assert set(taken) == {shard.key for shard in corpus.shards()} - intact
    assert not list(parts.rglob("*.part.npz"))
    assert as_counter(counts) == as_counter(count(corpus, *kit(), cache=False, engine="tokenizers"))


def test_fresh_count_goes_on_only_in_its_own_run(tmp_path, small_parts, monkeypatch):
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(1500)))
    first = count(corpus, *kit())
    monkeypatch.setattr(counting, "POLL", 0.001)
    parts, saved, save = tmp_path / "parts", [], counting.PartFolder.save

    def stop(done, total, message="", **rates):
        if message == "Counting" and done > 0.3 * total:
            raise Cancelled("enough")

    def again(run, progress=None):
        return count(corpus, *kit(), cache=False, run=run, parts=parts, progress=progress)

    monkeypatch.setattr(
        counting.PartFolder, "save", lambda *a: saved.append(a[1].info.key) or save(*a)
    )
    everything = len(corpus.shards())
    for run, expected in (("job 1", 0), ("job 1", 1), ("job 2", 0), ("", 0), ("", 0)):
        before = {path.name for path in parts.rglob("*.part.npz")}
        saved.clear()
        with pytest.raises(Cancelled):
            again(run, stop)
        kept = {path.name.partition(".")[0] for path in parts.rglob("*.part.npz")} - set(saved)
        assert bool(kept) == bool(expected and before)
    saved.clear()
    assert again("").key == first.key
    assert len(saved) == everything
    assert not list(parts.rglob("*.*"))


DRIVER = """
    import os, sys, time
    from vocabtrim_core.corpora import fingerprint, open_corpus
    fingerprint.SEGMENT, fingerprint.PIECE = 50_000, 20_000
    from vocabtrim_core.counting import parts
    from vocabtrim_core.counting.count import count
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    save, pause = parts.PartFolder.save, float(sys.argv[3])

    def slowly(self, part):
        save(self, part)
        os.write(1, f"{part.info.key}\\n".encode())  # at once: two threads write
        time.sleep(pause)

    parts.PartFolder.save = slowly
    tokenizer = load_tokenizer(sys.argv[1])
    counts = count(open_corpus(sys.argv[2]), tokenizer, resolve_template(tokenizer), workers=2)
    print("tokens", counts.tokens, counts.key, flush=True)
"""


def start(corpus: Path, home: Path, pause: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), "llama-3.1", corpus, str(pause)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "VOCABTRIM_HOME": str(home)},
    )


def calling_chats(n: int) -> list[list[dict]]:
    """Conversations that must be rendered: a call, its result, an answer."""
    chats = []
    for i, chat in enumerate(many_chats(n)):
        call = {"type": "function", "function": {"name": "look", "arguments": {"at": f"place {i}"}}}
        calling = {"role": "assistant", "content": None, "tool_calls": [call]}
        result = {"role": "tool", "name": "look", "content": f"saw {i}"}
        at = next(k for k, message in enumerate(chat) if message["role"] == "assistant")
        chats.append([*chat[:at], calling, result, *chat[at:]])
    return chats


@pytest.mark.parametrize("make", [many_chats, calling_chats])
def test_killed_process_is_resumed_with_identical_counts(tmp_path, small_parts, monkeypatch, make):
    path = write_chats(tmp_path / "x.jsonl", make(3000))
    home = tmp_path / "home"
    child = start(path, home, pause=600)  # both threads wait after their first part
    finished = {child.stdout.readline().strip() for _ in range(2)}
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()

    expected = count(open_corpus(path), *kit(), engine="tokenizers")
    monkeypatch.setenv("VOCABTRIM_HOME", str(home))
    assert not list(workspace.folder("counts").iterdir())
    saved = []
    save = counting.PartFolder.save
    monkeypatch.setattr(
        counting.PartFolder,
        "save",
        lambda self, part: saved.append(part.info.key) or save(self, part),
    )
    corpus = open_corpus(path)
    counts = count(corpus, *kit())
    everything = {shard.key for shard in corpus.shards()}
    assert len(finished) == 2
    assert finished.isdisjoint(saved)
    assert finished | set(saved) == everything
    assert counts.key == expected.key
    assert counts.counts.tolist() == expected.counts.tolist()
    held = find_responses(counts.key, counts)
    assert (held.complete, held.tokens) == (True, counts.tokens)


def test_a_kind_of_turn_that_is_found_wrongly_deep_in_a_file_is_noticed(tmp_path, monkeypatch):
    """One row in thousands that render, far from those that every count samples, has two answers in
    a row, and the quick way is made to misplace just these."""
    from vocabtrim_core.templates.turns import TurnFinder

    chats = calling_chats(3000)
    chats[2345].append({"role": "assistant", "content": "and more"})
    path = write_chats(tmp_path / "x.jsonl", chats)
    tokenizer, template = kit()
    right = np.zeros(tokenizer.vocab_size, np.int64)
    for each in chats:
        for ids in span_ids(tokenizer, *template.spans(each, "assistant")):
            np.add.at(right, ids, 1)
    found = TurnFinder.turns

    def misplaced(self, rendered, tools=None):
        turns = found(self, rendered, tools)
        twice = rendered.chat[-1]["content"] == "and more"
        return [turn._replace(start=turn.start + 2) for turn in turns] if twice else turns

    monkeypatch.setattr(TurnFinder, "turns", misplaced)
    counts = count(open_corpus(path), tokenizer, template)
    assert "x.jsonl, line 2346" in str(counts.provenance.proof)
    assert (counts.conversations, counts.tokens) == (3000, int(right.sum()))
    assert counts.counts.tolist() == right.tolist()


@pytest.mark.parametrize("step", ["keep_responses", "PartFolder.remove"])
def test_a_kill_after_the_last_part_loses_nothing(tmp_path, monkeypatch, step):
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(300)))
    expected = count(corpus, *kit(), parts=tmp_path / "elsewhere", cache=False)
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))

    def die(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"vocabtrim_core.counting.count.{step}", die)
        with pytest.raises(KeyboardInterrupt):
            count(corpus, *kit())
    counts = count(corpus, *kit())
    assert counts.key == expected.key
    held = find_responses(counts.key, counts)
    assert (held.complete, held.tokens) == (True, counts.tokens)
    assert not list(workspace.folder("parts").iterdir())


def test_two_processes_at_once_do_each_other_no_harm(tmp_path):
    path = write_chats(tmp_path / "x.jsonl", many_chats(2000))
    children = [start(path, tmp_path / "home", pause=0.05) for _ in range(2)]
    said = [child.communicate(timeout=120)[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert said[0][-1] == said[1][-1]
    assert min(len(lines) for lines in said) == 1  # one counted, the other waited for it
    assert len(list((tmp_path / "home" / "counts").iterdir())) == 1


@pytest.mark.parametrize(("said", "during"), [(None, "false"), ("true", "true")])
def test_hf_has_no_threads_beside_ours_unless_asked(tmp_path, monkeypatch, said, during):
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    if said:
        monkeypatch.setenv("TOKENIZERS_PARALLELISM", said)
    seen = set()

    def look(*args, **rates):
        seen.add(os.environ.get("TOKENIZERS_PARALLELISM"))

    corpus = open_corpus(OWN / "plain.jsonl")
    count(corpus, *kit(), workers=2, progress=look, cache=False)
    assert during in seen
    assert os.environ.get("TOKENIZERS_PARALLELISM") == said


def test_two_threads_in_one_process_do_each_other_no_harm(tmp_path):
    path = write_chats(tmp_path / "x.jsonl", many_chats(300))
    keys = []
    running = [
        threading.Thread(target=lambda: keys.append(count(open_corpus(path), *kit()).key))
        for _ in range(2)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(keys) == 2
    assert keys[0] == keys[1]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".parquet"])
def test_counts_do_not_depend_on_format_threads_or_pieces(tmp_path, small_parts, suffix):
    chats = many_chats(1500)
    path = write_chats(tmp_path / "x.jsonl", chats)
    expected = count(open_corpus(path), *kit(), workers=1)
    if suffix == ".jsonl.zst":
        with pa.CompressedOutputStream(str(tmp_path / f"x{suffix}"), "zstd") as out:
            out.write(path.read_bytes())
    elif suffix == ".parquet":
        table = pa.Table.from_pylist([{"messages": messages} for messages in chats])
        pa.parquet.write_table(table, tmp_path / f"x{suffix}", row_group_size=100)
    counts = count(open_corpus(tmp_path / f"x{suffix}"), *kit(), workers=3, cache=False)
    assert counts.counts.tolist() == expected.counts.tolist()
    assert counts.conversations == 1500
    pieces = load_shards(counts.key)
    assert pieces is not None
    assert pieces.total(counts.vocab_size).tolist() == counts.counts.tolist()
    assert pieces.conversations.sum() == 1500


def test_responses_sum_to_the_counts_in_order(tmp_path, small_parts):
    chats = [*many_chats(900), chat("Hi", "with <|eot_id|> inside", "More", "Yes"), chat("a", "b")]
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", chats))
    tokenizer, template = kit()
    found = list(encoded_responses(corpus, CountConfig(tokenizer, template)))
    assert len(found) > 1
    total = sum(np.bincount(b.ids, minlength=tokenizer.vocab_size) for b in found)
    assert total.tolist() == count(corpus, tokenizer, template).counts.tolist()
    conversation = np.concatenate([b.conversation for b in found])
    assert (np.diff(conversation) >= 0).all()
    assert (conversation[0], conversation[-1]) == (0, len(chats) - 1)
    last = found[-1]
    text = tokenizer.backend.decode(
        last.ids[last.offsets[-2] :].tolist(), skip_special_tokens=False
    )
    assert text == "b<|eot_id|>"


def test_cluster_counts_the_same_even_when_a_worker_is_killed(tmp_path):
    distributed = pytest.importorskip("distributed")
    for i in range(5):
        write_chats(tmp_path / f"{i}.jsonl", many_chats(200 + i))
    corpus = open_corpus(tmp_path)
    here, seen = count(corpus, *kit()), []

    def watch(*args, **rates):
        seen.append(args)
        if len(seen) == 2:  # the tasks are with the workers
            os.kill(cluster.workers[0].process.pid, signal.SIGKILL)

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        there = count(corpus, *kit(), cache=False, cluster=address, progress=watch)
    assert there.key == here.key
    assert there.counts.tolist() == here.counts.tolist()
    assert there.provenance.proof["texts"] == 1010
    assert seen[-1][0] == seen[-1][1] == corpus.size_bytes


def test_a_cluster_without_the_library_is_said(tmp_path):
    pytest.importorskip("distributed")
    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(3)))
    # As where it is not installed, in processes of an environment that has it.
    without = (
        "import runpy, sys; sys.modules['vocabtrim_core'] = None; "
        "runpy.run_module({!r}, None, '__main__')"
    )
    with contextlib.ExitStack() as running:

        def dask(kind: str, *argv: str) -> None:
            code, file = without.format(f"distributed.cli.dask_{kind}"), tmp_path / "scheduler.json"
            line = [sys.executable, "-c", code, *argv, "--no-dashboard", "--scheduler-file", file]
            child = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.DEVNULL)
            running.callback(child.wait)
            running.callback(child.terminate)

        dask("scheduler", "--host", "127.0.0.1", "--port", "0")
        written = tmp_path / "scheduler.json"
        while not written.is_file() or not written.read_text():  # it is there before its text is
            time.sleep(0.1)
        dask("worker", "--no-nanny", "--nthreads", "1")
        address = json.loads((tmp_path / "scheduler.json").read_text())["address"]
        with pytest.raises(InputError, match=r"is not installed on tcp://.*pip install"):
            count(corpus, *kit(), cluster=address)


def test_no_scheduler_is_said(tmp_path):
    pytest.importorskip("distributed")
    from vocabtrim_core.counting import cluster

    corpus = open_corpus(write_chats(tmp_path / "x.jsonl", many_chats(3)))
    cluster.CONNECT, before = 0.5, cluster.CONNECT
    try:
        with pytest.raises(InputError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1 "):
            count(corpus, *kit(), cluster="tcp://127.0.0.1:1")
    finally:
        cluster.CONNECT = before


# --- pieces -------------------------------------------------------------------------------------


def test_pieces_by_hand(tmp_path):
    pieces = ShardCounts.of(
        [np.array([1, 0, 2]), np.array([0, 0, 0]), np.array([0, 5, 1])], [2, 0, 3]
    )
    assert pieces.bounds.tolist() == [0, 2, 2, 4]
    assert pieces.total(3).tolist() == [1, 5, 3]
    assert pieces.total(3, np.array([2, 1, 0])).tolist() == [2, 0, 4]
    joined = ShardCounts.join([pieces, pieces.slice(2, 3)])
    assert joined.total(3).tolist() == [1, 10, 4]
    assert joined.conversations.tolist() == [2, 0, 3, 3]
    path = tmp_path / "pieces.npz"
    with path.open("wb") as file:
        pieces.write(file, b"about")
    again, meta = ShardCounts.read(path)
    assert (again.total(3).tolist(), meta) == ([1, 5, 3], b"about")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="does not hold counts by piece"):
        ShardCounts.read(path)


@pytest.mark.parametrize("pieces", [0, 1, MOST_PIECES, MOST_PIECES + 1, 5 * MOST_PIECES + 3])
def test_compact_keeps_the_sum(pieces):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (pieces, 7))
    parts = [
        ShardCounts.of(rows[a : a + 10], [1] * len(rows[a : a + 10])) for a in range(0, pieces, 10)
    ]
    small = compact(iter(parts), pieces, 7)
    assert len(small) <= MOST_PIECES
    assert small.total(7).tolist() == rows.sum(0).tolist()
    assert small.conversations.sum() == pieces
