"""What is asked in a measurement: prompts from benchmarks, corpora and files, always the same ones.

A prompt is a conversation up to a turn of the assistant, rendered with the target's chat template
and the text that opens the answer.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.corpora.uploads import list_uploads
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine import Prompt
from vocabtrim_core.serving.prompts import conversations
from vocabtrim_core.serving.prompts.presets import PROMPT_PRESETS, fetch_prompts

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.templates.chat_template import ChatTemplate
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

TURNS = ("first", "last")


@dataclass(frozen=True, slots=True)
class PromptSet:
    """In the order they are asked. key: sha256 of their texts.  notes: what was left out."""

    name: str
    prompts: tuple[Prompt, ...]
    key: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, prompts: Sequence[Prompt], notes: Sequence[str] = ()) -> PromptSet:
        texts = msgspec.json.encode([prompt.text for prompt in prompts])
        return cls(name, tuple(prompts), hashlib.sha256(texts).hexdigest(), tuple(notes))

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt."""
        return max((len(prompt.ids) for prompt in self.prompts), default=0)


def load_prompts(
    spec: str | Path | Sequence[str | Path],
    tokenizer: Tokenizer,
    template: ChatTemplate,
    *,
    limit: int | None = None,
    seed: int = 42,
    turns: str = "first",
    max_tokens: int | None = None,
    progress: Callable[..., Any] | None = None,
) -> PromptSet:
    """Prompts by the name of a benchmark (`PROMPT_PRESETS`), an upload's key, or files.

    turns: the first user turn alone, or all that stands before the last answer, with the corpus's
    answers as the history.  limit: draw so many with `seed`; the same call gives the same prompts.
    max_tokens: leave longer prompts out. InputError when nothing is left, or without internet for
    a benchmark that was not fetched before.
    """
    from vocabtrim_core.corpora import demo

    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 prompt, but it is {limit}.")
    if turns not in TURNS:
        raise InputError(f"turns must be one of {', '.join(TURNS)}, not {turns!r}.")
    name = str(spec) if isinstance(spec, str | Path) else ""
    title, instruction, notes = "", "", []
    if name in PROMPT_PRESETS:
        preset, corpus = fetch_prompts(name, conversations.POOL, progress)
        title, instruction, notes = preset.title, preset.instruction, [preset.note]
    else:
        if name in demo.NAMES:
            spec = _demo_file(name, progress)
        elif upload := next((u for u in list_uploads() if u.key == name), None):
            spec, title = upload.path, upload.label
        corpus = _opened(spec)
    pool = list(islice(conversations.pool(corpus, template, turns == "last"), conversations.POOL))
    prompts, left_out = _drawn(pool, tokenizer, template, instruction, limit, seed, max_tokens)
    title = title or corpus.name
    if not prompts:
        why = next(iter(left_out), "no user turn was found").rstrip(".")
        raise InputError(f"{title} has no prompt that can be asked: {why}.")
    if limit is not None and len(prompts) < limit:
        left_out.append(f"Only {len(prompts):,} different prompts of the {limit:,} asked for.")
    return PromptSet.of(title, prompts, [*filter(None, notes), *left_out])


def _opened(spec: str | Path | Sequence[str | Path]) -> Corpus:
    from vocabtrim_core.corpora import open_corpus

    try:
        return open_corpus(spec)
    except InputError as error:
        if "There is no file" not in str(error):
            raise
        raise InputError(
            f"{str(error).rstrip('.')}, or name a benchmark: {', '.join(PROMPT_PRESETS)}."
        ) from error


def _demo_file(name: str, progress: Callable[..., Any] | None) -> Path:
    """A corpus of the demo, built where it is not there yet."""
    from vocabtrim_core.drafts.demo_target import demo_corpus

    demo_corpus(progress or (lambda *_, **__: None))
    return workspace.folder("demo") / f"{name}.jsonl.zst"


# --- from conversations to prompts ---------------------------------------------------------------


def _drawn(
    pool: Sequence[conversations.Asked | str],
    tokenizer: Tokenizer,
    template: ChatTemplate,
    instruction: str,
    limit: int | None,
    seed: int,
    max_tokens: int | None,
) -> tuple[list[Prompt], list[str]]:
    """Different prompts in the order of the corpus, and what was left out of the draw."""
    order = list(range(len(pool)))
    if limit is not None:
        random.Random(seed).shuffle(order)
    kept: dict[str, tuple[int, Prompt]] = {}
    refused, long = [], 0
    for i in order:
        if len(kept) == limit:
            break
        found = pool[i]
        try:
            text = found if isinstance(found, str) else _rendered(template, *found, instruction)
        except InputError as error:
            refused.append(str(error))
            continue
        prompt = Prompt(text, tuple(tokenizer.ids(text)))
        if max_tokens is not None and len(prompt.ids) > max_tokens:
            long += 1
        else:
            kept.setdefault(text, (i, prompt))
    left_out = []
    if refused:
        left_out.append(f"{len(refused):,} conversations could not be rendered: {refused[0]}")
    if long:
        left_out.append(
            f"{long:,} prompts have more than {max_tokens:,} tokens, the most there is room for."
        )
    return [prompt for _, prompt in sorted(kept.values(), key=lambda each: each[0])], left_out


def _rendered(
    template: ChatTemplate,
    messages: Sequence[Mapping[str, Any]],
    tools: list[Any] | None,
    instruction: str,
) -> str:
    """The instruction stands before the last message."""

    *before, last = messages
    said = {**last, "content": instruction + last["content"]} if instruction else last
    return template.prompt([*before, said], tools)
