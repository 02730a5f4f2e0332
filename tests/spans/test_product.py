"""Counted spans and counted ids of the product against the definition, for every real tokenizer.

Every hand-written conversation on every family, by the spans' texts and by ids; all of a family's
conversations as one corpus through `count`; and random conversations.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from conversations import SENTINEL, Conversation, conversations, table
from definition import Counted, RefusedError, counted, ids_in, misplaced
from families import FAMILIES, Loaded, load
from hypothesis import HealthCheck, given, settings

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.count import count
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import ChatTemplate, resolve_template, span_ids
from vocabtrim_core.tokenizers.tokenizer import Tokenizer, load_tokenizer

CONVERSATIONS = table()
PAIRS = [pytest.param(f, c, id=f"{f}-{c.name}") for f in FAMILIES for c in CONVERSATIONS]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("families")


@lru_cache(maxsize=1)  # tests run family by family, and a tokenizer takes seconds
def resolved(folder: Path) -> tuple[Tokenizer, ChatTemplate]:
    tokenizer = load_tokenizer(folder)
    return tokenizer, resolve_template(tokenizer, "auto")


def expected(family: Loaded, conversation: Conversation) -> Counted | None:
    try:
        return counted(family.rules, conversation.messages, conversation.tools)
    except RefusedError:
        return None


def expected_ids(family: Loaded, found: Counted) -> list[list[int]]:
    ids, offsets = family.encode(found.text)
    return ids_in(ids, offsets, found.spans)


def product(family: Loaded, conversation: Conversation) -> tuple[list[str], list[list[int]]] | None:
    """Texts and ids of the product's spans; None where it says that the template refuses."""
    tokenizer, template = resolved(family.folder)
    try:
        text, spans = template.spans(conversation.messages, "assistant", tools=conversation.tools)
    except InputError:
        return None
    found = span_ids(tokenizer, text, spans, masks=template.masks)
    return [text[a:b] for a, b in spans if a < b], [ids.tolist() for ids in found if len(ids)]


@pytest.mark.parametrize(("name", "conversation"), PAIRS)
def test_spans_and_ids_are_those_of_the_definition(name, conversation, root):
    family = load(name, root)
    right = expected(family, conversation)
    found = product(family, conversation)
    if right is None:
        assert found is None, "the template refuses the conversation in every form"
        return
    assert found is not None, "the product refuses what the template renders"
    texts, ids = found
    assert texts == right.texts
    assert ids == [found for found in expected_ids(family, right) if found]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_corpus_of_all_conversations(name, root, tmp_path):
    """`count` of one JSONL file: every row that the template takes, and nothing of the others."""
    family = load(name, root)
    right: Counter[int] = Counter()
    rows = []
    for conversation in CONVERSATIONS:
        found = expected(family, conversation)
        if found is None:
            continue
        rows.append(conversation.row)
        right.update(i for ids in expected_ids(family, found) for i in ids)
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    counts = count(open_corpus(corpus), *resolved(family.folder))
    values = counts.counts
    got = Counter({int(i): int(values[i]) for i in np.flatnonzero(values)})
    assert got == right


@pytest.mark.parametrize("name", FAMILIES)
def test_random_conversations(name, root):
    """No sentinel of another role is counted, and spans are those of the definition."""
    family = load(name, root)

    @settings(
        max_examples=25, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(conversations())
    def holds(conversation):
        right = expected(family, conversation)
        found = product(family, conversation)
        assert (found is None) == (right is None)
        if found is None or right is None:
            return
        assert found[0] == right.texts
        assert not misplaced(right, conversation.messages, conversation.tools, SENTINEL)

    holds()
