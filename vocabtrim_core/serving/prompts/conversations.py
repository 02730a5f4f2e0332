"""The questions of a corpus: its conversations up to a turn of the assistant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.templates.chat_template import ChatTemplate

POOL = 20_000  # conversations that prompts are drawn from, spread over the whole corpus
ASSISTANT = "assistant"

Question = tuple[list[dict[str, Any]], list[Any] | None]  # messages before an answer, and tools


def pool(corpus: Corpus, template: ChatTemplate, last: bool) -> Iterator[Question | str]:
    """The conversations of a corpus, each cut before an answer.

    Args:
        corpus: The corpus; its rows may have no answers.
        template: Finds the answers in rows that are rendered already.
        last: Whether to cut before the last answer instead of the first.

    Yields:
        Messages and tools of a conversation, or the text of a rendered one, in the corpus's order.
        They are spread over the shards of a corpus with answers, POOL or a few more; of other
        corpora they are the first POOL rows of each file.
    """
    if not _turns_column(corpus):
        shape, sure = corpus.mapping.shape, corpus.describe().sure
        is_empty = True
        if shape in ("conversation", "prompt_response") or (shape == "text" and sure):
            for question in _from_batches(corpus, template, last):
                is_empty = False
                yield question
        if not is_empty:
            return
    yield from _from_rows(corpus, last)


def _from_batches(corpus: Corpus, template: ChatTemplate, last: bool) -> Iterator[Question | str]:
    """Rows with answers, as the corpus readers give them, evenly from all shards."""
    shards = corpus.shards()
    share = -(-POOL // max(len(shards), 1))
    for shard in shards:
        remaining = share
        for batch in corpus.batches(shard):
            for i in range(min(len(batch), remaining)):
                if batch.preformatted:
                    text = batch.contents[i].as_py()
                    spans = template.find_spans(text, "content")
                    if spans:
                        yield text[: spans[-1 if last else 0][0]]
                elif messages := _cut(batch.messages(i), last):
                    yield messages, batch.tools(i)
            remaining -= len(batch)
            if remaining <= 0:
                break


def _cut(messages: Sequence[dict[str, Any]], last: bool) -> list[dict[str, Any]]:
    """The messages before the first or the last answer; [] where they do not end in a question."""
    answers = [i for i, message in enumerate(messages) if message["role"] == ASSISTANT]
    end = answers[-1 if last else 0] if answers else len(messages)
    before = [*messages[:end]]
    return before if before and before[-1]["role"] in ("user", "tool") else []


# --- rows without answers, which the corpus readers skip -----------------------------------------


def _turns_column(corpus: Corpus) -> bool:
    """Whether rows hold lists of user turns, as MT-Bench does."""
    return any(_user_turns(row) for row in corpus.describe().head)


def _user_turns(row: Mapping[str, Any]) -> list[str]:
    from vocabtrim_core.corpora.schema import as_list

    for column in ("turns", "prompt", "prompts"):
        texts = as_list(row.get(column))
        if texts and all(isinstance(text, str) for text in texts):
            return texts
    return []


def _from_rows(corpus: Corpus, last: bool) -> Iterator[Question]:
    """Questions of rows: the first of a list of user turns, messages, or a column of prompts."""
    from vocabtrim_core.corpora.column_names import PROMPTS
    from vocabtrim_core.corpora.formats import format_of
    from vocabtrim_core.corpora.message_paths import CONVERSATIONS
    from vocabtrim_core.corpora.schema import as_list

    for path in corpus.files:
        for row in format_of(path).head(path, POOL):
            columns = {name.lower(): value for name, value in row.items()}
            lists = (as_list(columns.get(name)) for name in CONVERSATIONS)
            messages = next(filter(None, lists), None)
            text = next((columns[name] for name in PROMPTS if columns.get(name)), None)
            if turns := _user_turns(row):
                yield [{"role": "user", "content": turns[0]}], None
            elif messages and (before := _cut(_with_roles(messages), last)):
                yield before, None
            elif isinstance(text, str) and text.strip():
                yield [{"role": "user", "content": text}], None


def _with_roles(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """Messages with canonical roles; [] where one has no known role or no text."""
    from vocabtrim_core.corpora.batches import canonical_role

    canonical = []
    for message in messages:
        if not isinstance(message, dict):
            return []
        role = canonical_role(str(message.get("role") or message.get("from") or ""))
        content = message.get("content", message.get("value"))
        if role is None or not isinstance(content, str):
            return []
        canonical.append({"role": role, "content": content})
    return canonical
