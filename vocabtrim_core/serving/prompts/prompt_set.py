"""The prompts of a measurement, from benchmarks, corpora and files, reproducible by a seed.

A prompt is a conversation up to a turn of the assistant, rendered with the target's chat template,
with the generation prompt at its end.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
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
    """Prompts in the order in which they are sent.

    Attributes:
        name: Name for people.
        prompts: The prompts.
        key: SHA-256 of their texts.
        notes: Sentences on prompts that were left out and on differences from the paper.
    """

    name: str
    prompts: tuple[Prompt, ...]
    key: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, prompts: Sequence[Prompt], notes: Sequence[str] = ()) -> PromptSet:
        """A set with the key of its prompts.

        Args:
            name: Name for people.
            prompts: The prompts.
            notes: Sentences that readers must know.

        Returns:
            The set.
        """
        texts = msgspec.json.encode([prompt.text for prompt in prompts])
        return cls(name, tuple(prompts), hashlib.sha256(texts).hexdigest(), tuple(notes))

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt, 0 for no prompts."""
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
    """Load prompts. The same call gives the same prompts.

    Args:
        spec: Name of a benchmark (`PROMPT_PRESETS`) or of a demo corpus, key of an upload, or
            files.
        tokenizer: The target's tokenizer.
        template: The target's chat template.
        limit: How many prompts to draw, None for all.
        seed: Seed of the draw.
        turns: "first" for the first user turn only; "last" for all messages before the last answer,
            with the corpus's own answers as the history.
        max_tokens: Longer prompts are left out; None for no limit.
        progress: Called as `Progress` is, for downloads and the demo.

    Returns:
        Different prompts, in the order of the corpus.

    Raises:
        InputError: No prompt is left, an argument is out of range, there is no such file, or a
            benchmark cannot be downloaded.
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
        corpus = _open(spec)
    pool = list(islice(conversations.pool(corpus, template, turns == "last"), conversations.POOL))
    prompts, omissions = _draw(pool, tokenizer, template, instruction, limit, seed, max_tokens)
    title = title or corpus.name
    if not prompts:
        reason = next(iter(omissions), "no user turn was found").rstrip(".")
        raise InputError(f"{title} has no prompt that can be asked: {reason}.")
    if limit is not None and len(prompts) < limit:
        omissions.append(f"Only {len(prompts):,} different prompts of the {limit:,} asked for.")
    return PromptSet.of(title, prompts, [*filter(None, notes), *omissions])


def _open(spec: str | Path | Sequence[str | Path]) -> Corpus:
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
    """The file of a demo corpus, which is built where it does not exist yet."""
    from vocabtrim_core.corpora.demo_corpus import demo_corpus

    demo_corpus(progress or (lambda *_, **__: None))
    return workspace.folder("demo") / f"{name}.jsonl.zst"


# --- from conversations to prompts ---------------------------------------------------------------


def _draw(
    pool: Sequence[conversations.Question | str],
    tokenizer: Tokenizer,
    template: ChatTemplate,
    instruction: str,
    limit: int | None,
    seed: int,
    max_tokens: int | None,
) -> tuple[list[Prompt], list[str]]:
    """Different prompts in the order of the corpus, and sentences on those left out."""
    order = list(range(len(pool)))
    if limit is not None:
        random.Random(seed).shuffle(order)
    by_text: dict[str, tuple[int, Prompt]] = {}
    refused, long = [], 0
    for i in order:
        if len(by_text) == limit:
            break
        question = pool[i]
        try:
            if isinstance(question, str):
                text = question
            else:
                text = _render(template, *question, instruction)
        except InputError as error:
            refused.append(str(error))
            continue
        prompt = Prompt(text, tuple(tokenizer.ids(text)))
        if max_tokens is not None and len(prompt.ids) > max_tokens:
            long += 1
        else:
            by_text.setdefault(text, (i, prompt))
    omissions = []
    if refused:
        omissions.append(f"{len(refused):,} conversations could not be rendered: {refused[0]}")
    if long:
        omissions.append(
            f"{long:,} prompts have more than {max_tokens:,} tokens, the most there is room for."
        )
    return [prompt for _, prompt in sorted(by_text.values(), key=itemgetter(0))], omissions


def _render(
    template: ChatTemplate,
    messages: Sequence[Mapping[str, Any]],
    tools: list[Any] | None,
    instruction: str,
) -> str:
    """The text of a prompt, with the instruction at the start of the last message."""
    *before, last = messages
    question = {**last, "content": instruction + last["content"]} if instruction else last
    return template.prompt([*before, question], tools)
