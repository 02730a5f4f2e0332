"""What a corpus asks: its conversations up to a turn of the assistant, with or without answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.templates.chat_template import ChatTemplate

POOL = 20_000  # conversations that prompts are drawn from, spread over the whole corpus
ASSISTANT = "assistant"

Asked = tuple[list[dict[str, Any]], list[Any] | None]  # messages before an answer, and tools


def pool(corpus: Corpus, template: ChatTemplate, last: bool) -> Iterator[Asked | str]:
    """Conversations up to an answer, and rendered texts up to one, in the order of the corpus."""
    if not _turns_column(corpus):
        shape, sure = corpus.mapping.shape, corpus.describe().sure
        found = False
        if shape in ("conversation", "prompt_response") or (shape == "text" and sure):
            for asked in _from_batches(corpus, template, last):
                found = True
                yield asked
        if found:
            return
    yield from _from_rows(corpus, last)


def _from_batches(corpus: Corpus, template: ChatTemplate, last: bool) -> Iterator[Asked | str]:
    """Rows with answers, as the corpus readers give them, evenly from all its shards."""
    shards = corpus.shards()
    share = -(-POOL // max(len(shards), 1))
    for shard in shards:
        left = share
        for batch in corpus.batches(shard):
            for i in range(min(len(batch), left)):
                if batch.preformatted:
                    text = batch.contents[i].as_py()
                    spans = template.find_spans(text, "content")
                    if spans:
                        yield text[: spans[-1 if last else 0][0]]
                elif asked := _cut(batch.messages(i), last):
                    yield asked, batch.tools(i)
            left -= len(batch)
            if left <= 0:
                break


def _cut(messages: Sequence[dict[str, Any]], last: bool) -> list[dict[str, Any]]:
    """What stands before the first or the last answer; [] where nobody asks anything."""
    answers = [i for i, message in enumerate(messages) if message["role"] == ASSISTANT]
    end = answers[-1 if last else 0] if answers else len(messages)
    asked = [*messages[:end]]
    return asked if asked and asked[-1]["role"] in ("user", "tool") else []


# --- rows without answers, which corpora leave out -----------------------------------------------


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


def _from_rows(corpus: Corpus, last: bool) -> Iterator[Asked]:
    """Rows as they are written: lists of user turns (the first), messages, or a prompt column."""
    from vocabtrim_core.corpora.formats import format_of
    from vocabtrim_core.corpora.recognise import CONVERSATIONS, PROMPTS
    from vocabtrim_core.corpora.schema import as_list

    for path in corpus.files:
        for row in format_of(path).head(path, POOL):
            named = {name.lower(): value for name, value in row.items()}
            lists = (as_list(named.get(name)) for name in CONVERSATIONS)
            messages = next((found for found in lists if found), None)
            text = next((named[name] for name in PROMPTS if named.get(name)), None)
            if turns := _user_turns(row):
                yield [{"role": "user", "content": turns[0]}], None
            elif messages and (asked := _cut(_roles(messages), last)):
                yield asked, None
            elif isinstance(text, str) and text.strip():
                yield [{"role": "user", "content": text}], None


def _roles(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """Messages under the four roles; [] where one is none."""
    from vocabtrim_core.corpora.batches import canonical_role

    found = []
    for message in messages:
        if not isinstance(message, dict):
            return []
        role = canonical_role(str(message.get("role") or message.get("from") or ""))
        content = message.get("content", message.get("value"))
        if role is None or not isinstance(content, str):
            return []
        found.append({"role": role, "content": content})
    return found
