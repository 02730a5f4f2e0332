"""Responses collected while counting: complete where they fit, else the same random part."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from helpers.tokenizer_makers import byte_level, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from vocabtrim_core import workspace
from vocabtrim_core.corpora import MessageBatch, SkipReport, open_corpus
from vocabtrim_core.corpora.batches import ASSISTANT, role_array
from vocabtrim_core.counting import response_files
from vocabtrim_core.counting.cache import keep_merged
from vocabtrim_core.counting.count import count
from vocabtrim_core.counting.encoding import EncodedBatch
from vocabtrim_core.counting.proof import Proof
from vocabtrim_core.counting.response_batch import ResponseBatch
from vocabtrim_core.counting.response_files import (
    ResponseFiles,
    find_responses,
    hash_levels,
    responses_beside,
)
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import remove_counts
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.templates.fast_path import Frame
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

SIZE = 1000


def block(first: int, lengths: list[int], domains: list[str | None] | None = None):
    """A counted block whose token ids are their row's number."""
    rows = np.arange(first, first + len(lengths))
    n = len(rows)
    batch = MessageBatch(
        role_array(np.full(n, ASSISTANT)),
        pa.array([""] * n, pa.large_string()),
        np.arange(n + 1),
        rows,
        "x.jsonl",
        domains=None if domains is None else pa.array(domains),
    )
    spans = np.array([n for n in lengths if n], np.int64)
    ids = np.repeat(rows, lengths).astype(np.uint32)
    offsets = np.concatenate([[0], np.cumsum(spans)]).astype(np.int64)
    owner = np.flatnonzero(np.array(lengths) > 0)
    return first, batch, ResponseBatch(ids, offsets, owner)


def collect(folder, blocks, cap=10**9) -> ResponseFiles:
    files = ResponseFiles(folder, SIZE, cap)
    for part, (first, batch, found) in blocks:
        files.add(part, first, batch, found.sizes(len(batch)), found.of)
    files.flush()
    return files


def test_all_conversations_in_order_whoever_came_first(tmp_path):
    blocks = [
        ("b", block(7, [2, 1], ["y", "x"])),
        ("a", block(4, [3], ["x"])),
        ("a", block(1, [1, 0, 2], [None, "x", "y"])),
    ]
    files = collect(tmp_path, blocks)
    held = files.join({"a", "b"}, 9)
    assert held.ids.tolist() == [1, 3, 3, 4, 4, 4, 7, 7, 8]
    assert held.conversations == 5  # the one without ids is none
    named = [held.domains[code] if code >= 0 else None for code in held.domain]
    assert named == [None, "y", "x", "y", "x"]
    assert held.complete
    assert files.join({"a"}, 6).tokens == 6


@given(st.permutations(range(8)), st.integers(20, 400))
@settings(max_examples=40, deadline=None)
def test_a_part_that_fits_and_does_not_depend_on_the_order(tmp_path_factory, order, cap):
    rng = np.random.default_rng(0)
    blocks = [("p", block(1 + 40 * i, rng.integers(0, 6, 40).tolist())) for i in range(8)]
    total = sum(len(found.ids) for _, (_, _, found) in blocks)
    first = collect(tmp_path_factory.mktemp("r"), blocks, cap).join({"p"}, total)
    second = collect(tmp_path_factory.mktemp("r"), [blocks[i] for i in order], cap)
    again = second.join({"p"}, total)
    assert (first.ids == again.ids).all()
    assert (first.offsets == again.offsets).all()
    assert first.tokens <= cap
    assert not first.complete
    levels = hash_levels("p", np.arange(1, 321))
    least = next(level for level in range(64) if _tokens(blocks, levels >= level) <= cap)
    assert set(first.ids.tolist()) <= set((1 + np.flatnonzero(levels >= least)).tolist())
    assert first.tokens == _tokens(blocks, levels >= least)


def _tokens(blocks, kept) -> int:
    ids = np.concatenate([found.ids for _, (_, _, found) in blocks])
    return int(kept[ids - 1].sum())


def test_levels_halve():
    levels = hash_levels("some part", np.arange(1, 100_001))
    for level in range(6):
        assert np.mean(levels >= level) == pytest.approx(2.0**-level, rel=0.05)
    assert (hash_levels("other part", np.arange(1, 1001)) != levels[:1000]).any()


def test_what_was_counted_before_is_used_and_damage_is_not(tmp_path):
    blocks = [("a", block(1, [2, 3])), ("b", block(3, [4]))]
    collect(tmp_path, blocks[:1])
    again = collect(tmp_path, blocks[1:])
    assert again.join({"a", "b"}, 9).ids.tolist() == [1, 1, 2, 2, 2, 3, 3, 3, 3]
    files = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    files[0].write_bytes(b"no")
    assert collect(tmp_path, blocks[1:]).join({"a", "b"}, 9) is None
    assert ResponseFiles(tmp_path / "new", SIZE).join({"a"}, 5) is None


def test_a_part_counted_again_leaves_the_others_of_its_file(tmp_path):
    collect(tmp_path, [("a", block(1, [2])), ("b", block(2, [3]))])  # then killed: a not finished
    again = collect(tmp_path, [("a", block(1, [2]))])
    assert again.join({"a", "b"}, 5).ids.tolist() == [1, 1, 2, 2, 2]


def test_many_responses_are_on_disk_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(response_files, "TOGETHER", 20)
    files = ResponseFiles(tmp_path, SIZE)
    for part, (first, batch, found) in [("a", block(1, [2])), ("a", block(2, [30]))]:
        files.add(part, first, batch, found.sizes(len(batch)), found.of)
    assert ResponseFiles(tmp_path, SIZE).join({"a"}, 32).ids.tolist() == [1] * 2 + [2] * 30


def test_what_could_not_be_written_is_not_taken_for_written(tmp_path, monkeypatch):
    files, (first, batch, found) = ResponseFiles(tmp_path, SIZE), block(1, [2])
    files.add("a", first, batch, found.sizes(1), found.of)
    with monkeypatch.context() as patch:
        patch.setattr(response_files, "_write", lambda *args: 1 / 0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                files.flush()
    files.flush()
    assert ResponseFiles(tmp_path, SIZE).join({"a"}, 2).ids.tolist() == [1, 1]


SPANS = st.lists(st.lists(st.integers(0, SIZE - 1), max_size=4), max_size=6)  # of a conversation
IDS = st.lists(st.integers(0, SIZE - 1), max_size=2).map(tuple)


def batch_of(chats: dict[int, list[list[int]]]) -> ResponseBatch:
    spans = [span for chat in chats.values() for span in chat]
    ids = np.array([i for span in spans for i in span], np.uint32)
    offsets = np.cumsum([0, *map(len, spans)], dtype=np.int64)
    of = [i for i, chat in chats.items() for _ in chat]
    return ResponseBatch(ids, offsets, np.array(of, np.int64))


def listed(found: ResponseBatch) -> list[tuple[int, list[int]]]:
    ids, offsets, conversation = found
    spans = [ids[a:b].tolist() for a, b in pairwise(offsets)]
    return list(zip(conversation.tolist(), spans, strict=True))


@given(
    st.lists(st.tuples(SPANS, st.booleans(), st.booleans()), min_size=1, max_size=6),
    st.tuples(IDS, IDS, IDS, IDS),
)
@settings(deadline=None)
def test_spans_in_their_frames_and_rendered_ones_are_in_order(chats, ends):
    """Against Python lists; a conversation is rendered or not, and wanted or not."""
    n = len(chats)
    frames = (Frame(*ends[:2]), Frame(*ends[2:]))
    fast = {i: spans for i, (spans, rendered, _) in enumerate(chats) if not rendered}
    slow = {i: spans for i, (spans, rendered, _) in enumerate(chats) if rendered}
    last = np.array([k == len(s) - 1 for s in fast.values() for k in range(len(s))], bool)
    encoded = EncodedBatch(
        contents=batch_of(fast),
        last=last,
        frames=frames,
        rendered=batch_of(slow),
        counted=np.ones(n, bool),
        report=SkipReport(),
        notes=SkipReport(),
        proof=Proof(),
    )
    wanted = np.array([wanted for *_, wanted in chats], bool)
    expected = []
    for i, (spans, rendered, _) in enumerate(chats):
        for k, span in enumerate(spans):
            before, after = ((), ()) if rendered else frames[k == len(spans) - 1]
            expected.append((i, [*before, *span, *after]))
    assert listed(encoded.responses()) == expected
    assert listed(encoded.responses(wanted)) == [span for span in expected if wanted[span[0]]]
    sizes = [sum(len(span) for i, span in expected if i == c) for c in range(n)]
    assert encoded.sizes().tolist() == sizes
    counted = np.bincount([i for _, span in expected for i in span], minlength=SIZE)
    assert encoded.counts(1, SIZE).total(SIZE).tolist() == counted.tolist()


@given(SPANS, SPANS, st.randoms())
@settings(deadline=None)
def test_spans_are_merged_by_place(one, other, random):
    places = random.sample(range(len(one) + len(other)), len(one) + len(other))
    at = np.array(sorted(places[: len(one)]) + sorted(places[len(one) :]), np.int64)
    expected = [span for _, span in sorted(zip(at.tolist(), one + other, strict=True))]
    found = batch_of({0: one}).merged(batch_of({0: other}), at)
    assert [span for _, span in listed(found)] == expected


# --- with real counting --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """(tokenizer, template) of a tokenizer made here."""
    made = byte_level(["<|im_start|>", "<|im_end|>"])
    folder = write_folder(tmp_path_factory.mktemp("tokenizer"), made)
    tokenizer = load_tokenizer(folder)
    return tokenizer, resolve_template(tokenizer, "qwen")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOCABTRIM_HOME", str(tmp_path / "home"))
    return tmp_path


def corpus(folder, name: str, rows: int, seed: int):
    rng = np.random.default_rng(seed)
    words = ["alpha", "beta", "gamma ray", "x = 1;", "\n\n", "7", "naïve"]
    path = folder / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(rows):
            turns = [
                {"role": role, "content": " ".join(rng.choice(words, 12))}
                for _ in range(rng.integers(1, 3))
                for role in ("user", "assistant")
            ]
            row = {"messages": turns, "domain": ("math", "code")[i % 2]}
            file.write(json.dumps(row) + "\n")
    return open_corpus([path])


def test_counting_keeps_responses_that_add_up_to_the_counts(home, kit):
    counts = count(corpus(home, "chat", 400, 1), *kit)
    held = find_responses("nowhere.npz", counts)
    assert held.complete
    assert held.conversations == counts.conversations == 400
    assert (held.counts() == counts.counts).all()
    assert sorted(held.domains) == ["code", "math"]
    assert np.bincount(held.domain).tolist() == [200, 200]
    ends = held.ids[held.offsets[1:] - 1]
    assert set(kit[0].tokens(ends)) == {"<|im_end|>"}


def test_a_large_corpus_keeps_a_part(home, kit, monkeypatch):
    monkeypatch.setattr(response_files.ResponseFiles.__init__, "__defaults__", (4000,))
    counts = count(corpus(home, "chat", 400, 1), *kit)
    held = find_responses(counts.key, counts)
    assert not held.complete
    assert 1000 < held.tokens <= 4000 < counts.tokens
    assert (held.counts() <= counts.counts).all()


def test_without_responses_nothing_is_kept(home, kit):
    counts = count(corpus(home, "chat", 30, 1), *kit, responses=False)
    assert find_responses(counts.key, counts) is None


def test_a_cancelled_count_ends_with_the_same_responses(home, kit, monkeypatch):
    plain = count(corpus(home, "chat", 3000, 2), *kit)
    whole = find_responses(plain.key, plain)
    calls = 0

    def stop(*args, **rates):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled("enough")

    chats = corpus(home, "chat", 3000, 2)
    with pytest.raises(Cancelled):
        count(chats, *kit, cache=False, progress=stop)
    again = count(chats, *kit, parts=workspace.folder("parts"))
    held = find_responses(again.key, again)
    assert (held.ids == whole.ids).all()
    assert (held.conversation == whole.conversation).all()


def test_merged_counts_have_merged_responses(home, kit):
    first = count(corpus(home, "one", 50, 1), *kit)
    second = count(corpus(home, "two", 70, 2), *kit)
    merged = first + second
    parts = [find_responses(c.key, c) for c in (first, second)]
    keep_merged(merged, [first, second], parts)
    held = find_responses(merged.key, merged)
    assert held.conversations == 120
    assert (held.counts() == merged.counts).all()
    other = TokenCounts(merged.counts * 2, 1, 0, merged.provenance)
    keep_merged(other, [first, second], [parts[0], None])
    assert find_responses(other.key, other) is None


def test_responses_travel_beside_their_counts_and_only_those(home, kit):
    first = count(corpus(home, "one", 50, 1), *kit)
    second = count(corpus(home, "two", 70, 2), *kit)
    file = first.save(home / "one.npz")
    find_responses(second.key, second).save(responses_beside(file))
    with pytest.raises(InputError, match=r"one\.responses\.npz holds the responses of other"):
        find_responses(file, first)
    find_responses(first.key, first).save(responses_beside(file))
    remove_counts(first.key)
    assert (find_responses(file, first).counts() == first.counts).all()
    responses_beside(file).unlink()
    assert find_responses(file, first) is None
