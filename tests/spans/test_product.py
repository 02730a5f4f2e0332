"""Counted spans and counted ids of the product against the definition, for every real tokenizer.

Every hand-written conversation on every family, by the spans' texts and by ids; all of a family's
conversations as one corpus through `count`; and random conversations.
"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from conversations import Conversation, conversations, table
from definition import Counted, RefusedError, counted, ids_in
from families import FAMILIES, Loaded, load
from hypothesis import HealthCheck, assume, given, settings

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.count import count
from vocabtrim_core.errors import InputError
from vocabtrim_core.templates.chat_template import ChatTemplate, span_ids
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import Tokenizer, load_tokenizer

CONVERSATIONS = table()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("families")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, root) -> Loaded:
    """Tests run family by family, one tokenizer in memory at a time."""
    return load(request.param, root)


@pytest.fixture(scope="module")
def resolved(family) -> tuple[Tokenizer, ChatTemplate | InputError]:
    """The product's tokenizer and template, or what it says where it takes neither."""
    tokenizer = load_tokenizer(family.folder)
    try:
        return tokenizer, resolve_template(tokenizer, "auto")
    except InputError as error:
        return tokenizer, error


def expected(family: Loaded, conversation: Conversation) -> Counted | None:
    try:
        return counted(family.rules, conversation.messages, conversation.tools)
    except RefusedError:
        return None


def expected_ids(family: Loaded, found: Counted) -> list[list[int]]:
    ids, offsets = family.encode(found.text)
    return ids_in(ids, offsets, found.spans)


def product(resolved, conversation: Conversation) -> tuple[list[str], list[list[int]]] | None:
    """Texts and ids of the product's spans; None where it says that the template refuses."""
    tokenizer, template = resolved
    assert isinstance(template, ChatTemplate), f"the template is not taken: {template}"
    try:
        text, spans = template.spans(conversation.messages, "assistant", tools=conversation.tools)
    except InputError:
        return None
    found = span_ids(tokenizer, text, spans, masks=template.masks)
    return [text[a:b] for a, b in spans if a < b], [ids.tolist() for ids in found if len(ids)]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: c.name)
def test_spans_and_ids_are_those_of_the_definition(family, resolved, conversation):
    right = expected(family, conversation)
    found = product(resolved, conversation)
    if right is None:
        assert found is None, "the template refuses the conversation in every form"
        return
    assert found is not None, "the product refuses what the template renders"
    texts, ids = found
    assert texts == right.texts
    assert ids == [found for found in expected_ids(family, right) if found]


def test_a_corpus_of_all_conversations(family, resolved, tmp_path):
    """`count` of one JSONL file: every row that the template takes, and nothing of the others."""
    tokenizer, template = resolved
    assert isinstance(template, ChatTemplate), f"the template is not taken: {template}"
    found = [(c, right) for c in CONVERSATIONS if (right := expected(family, c)) is not None]
    right = Counter(i for _, one in found for ids in expected_ids(family, one) for i in ids)
    corpus = tmp_path / "corpus.jsonl"
    rows = (json.dumps(conversation.row, ensure_ascii=False) for conversation, _ in found)
    corpus.write_text("".join(f"{row}\n" for row in rows), "utf-8")
    counts = count(open_corpus(corpus), tokenizer, template).counts
    assert {int(i): int(counts[i]) for i in np.flatnonzero(counts)} == dict(right)


def test_random_conversations(family, resolved):
    """Spans of the definition, whatever comes in whatever order."""

    @settings(
        max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(conversations())
    def holds(conversation):
        # What stands for an answer without a word differs by template; the table has such turns.
        assume(all(m.get("content") or m.get("tool_calls") for m in conversation.messages
                   if m["role"] == "assistant"))  # fmt: skip
        # A prompt that opens a thought and an answer that begins as its tag does share characters.
        assume(not any((m.get("content") or "").startswith("<")
                       for m in conversation.messages))  # fmt: skip
        right = expected(family, conversation)
        assume(right is None or not right.unwritten)  # the table has turns written as another's
        found = product(resolved, conversation)
        assert (found and found[0]) == (right and right.texts)

    holds()
