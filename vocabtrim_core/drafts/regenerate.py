"""The paper's alignment step: replace a corpus's answers by the target's own.

Every user turn is answered again, with the new answers before it as the history. Rows are stored as
they finish, so that a stopped regeneration continues. The result is a corpus like any other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora import Corpus, open_corpus
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.drafts.completion_clients import Answerer, Refused, Sampling
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import write_atomic

Progress = Callable[..., Any]
ASSISTANT = "assistant"
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Regenerated:
    """The result of a regeneration.

    Attributes:
        path: The new corpus, a .jsonl file.
        conversations: Number of its rows.
        answers: Number of new answers.
        refused: Reason -> number of prompts without an answer; their conversations are left out.
        settings: What the answers were made with.
    """

    path: Path
    conversations: int
    answers: int
    refused: dict[str, int]
    settings: dict[str, Any]

    def corpus(self) -> Corpus:
        """Open the regenerated conversations."""
        return open_corpus(self.path)


@dataclass(frozen=True, slots=True)
class _Row:
    """One conversation to answer; `number` is its position in the corpus, from 0."""

    number: int
    messages: list[dict[str, Any]]
    domain: str | None


def regenerate(
    corpus: Corpus,
    answerer: Answerer,
    sampling: Sampling,
    out: Path,
    *,
    progress: Progress = lambda *_, **__: None,
) -> Regenerated:
    """Answer a corpus anew; writes `out` and `out`.about.json, and continues `out`.partial.

    Args:
        corpus: The conversations.
        answerer: What answers them.
        sampling: How answers are sampled.
        out: The .jsonl file to write.
        progress: Called as progress(done, total, message, answers=...), in conversations.

    Returns:
        The new corpus.

    Raises:
        InputError: Rows that exist were made from another corpus or with other settings, the corpus
            holds rendered texts, the disk is full, or no row got an answer.
    """
    return asyncio.run(_regenerate(corpus, answerer, sampling, out, progress))


async def _regenerate(
    corpus: Corpus, answerer: Answerer, sampling: Sampling, out: Path, progress: Progress
) -> Regenerated:
    about_path = out.with_name(f"{out.name}.about.json")
    await answerer.open()
    settings = {**answerer.about, **asdict(sampling), "corpus": corpus.fingerprint()}
    if about_path.is_file() and out.is_file():
        record = json.loads(about_path.read_text("utf-8"))
        await answerer.close()
        _same(record["settings"], settings, out)
        return Regenerated(
            out, record["conversations"], record["answers"], record["refused"], settings
        )
    partial = out.with_name(f"{out.name}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        done = _finished(partial, settings)
        refused = await _answer_all(corpus, answerer, partial, done, progress)
    except OSError as error:
        if error.errno in disk.FULL:
            raise InputError(disk.full_disk(partial.parent)) from error
        raise
    finally:
        await answerer.close()
    rows = _finished(partial, settings)
    if not rows:
        reason = next(iter(refused), "the corpus has no prompts")
        raise InputError(f"No prompt of {corpus.name} got an answer ({reason}).")
    lines = [json.dumps(rows[number], ensure_ascii=False) for number in sorted(rows)]
    write_atomic(out, ("\n".join(lines) + "\n").encode())
    answers = sum(m["role"] == ASSISTANT for row in rows.values() for m in row["conversations"])
    record = {
        "settings": settings,
        "conversations": len(rows),
        "answers": answers,
        "refused": refused,
        "source": corpus.name,
    }
    write_atomic(about_path, json.dumps(record, indent=1).encode())
    partial.unlink()
    return Regenerated(out, len(rows), answers, refused, settings)


def compare(
    original: TokenCounts, regenerated: TokenCounts, best: Callable[[TokenCounts], int]
) -> dict[str, Any]:
    """Compare the vocabularies that are chosen on original and on regenerated answers.

    Args:
        original: Counts of the original answers.
        regenerated: Counts of the target's answers, with the same tokenizer.
        best: Chooses k* from counts, such as the exact optimum at the chosen alpha and floor.

    Returns:
        k_original, k_regenerated, and coverage_of_regenerated: the share of the target's answers
        that the vocabulary chosen on the original ones covers.
    """
    from vocabtrim_core.coverage import CoverageCurve

    ks = {"original": best(original), "regenerated": best(regenerated)}
    vocabulary = CoverageCurve.of(original).vocabulary(ks["original"])
    target_counts = regenerated.counts
    return {
        "k_original": ks["original"],
        "k_regenerated": ks["regenerated"],
        "coverage_of_regenerated": float(target_counts[vocabulary.ids].sum() / target_counts.sum()),
    }


async def _answer_all(
    corpus: Corpus,
    answerer: Answerer,
    partial: Path,
    done: dict[int, Any],
    progress: Progress,
) -> dict[str, int]:
    """Answer the missing conversations, and append each one when it is finished.

    Returns:
        Reason -> number of prompts without an answer.
    """
    groups = _groups(_rows(corpus, done), answerer.batch_size)
    refused: dict[str, int] = {}
    finished, answered = len(done), 0
    with partial.open("a", encoding="utf-8") as file:

        async def work() -> None:
            nonlocal finished, answered
            for group in groups:  # an iterator that the workers share
                answered += await _answer_group(group, answerer, file, refused)
                finished += len(group)

        tasks = [asyncio.create_task(work()) for _ in range(answerer.workers)]
        try:
            while pending := [task for task in tasks if not task.done()]:
                progress(finished, corpus.limit, "Regenerating answers", answers=answered)
                await asyncio.wait(pending, timeout=POLL_SECONDS)
            for task in tasks:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return refused


async def _answer_group(
    group: Sequence[_Row], answerer: Answerer, file: Any, refused: dict[str, int]
) -> int:
    """Answer some conversations turn by turn, one call for all of them.

    Returns:
        Number of answers.
    """
    chats: list[list[dict[str, Any]]] = [[] for _ in group]
    waiting = {i: list(row.messages) for i, row in enumerate(group)}
    answers = 0
    while waiting:
        for i, messages in waiting.items():  # everything up to the next turn of the assistant
            while messages and messages[0]["role"] != ASSISTANT:
                chats[i].append(messages.pop(0))
        order = list(waiting)
        for i, answer in zip(order, await answerer.answer([chats[i] for i in order]), strict=True):
            if isinstance(answer, Refused) or not answer.strip():
                reason = str(answer) if isinstance(answer, Refused) else "an empty answer"
                refused[reason] = refused.get(reason, 0) + 1
                del waiting[i]
                continue
            answers += 1
            chats[i].append({"role": ASSISTANT, "content": answer})
            while waiting[i] and waiting[i][0]["role"] == ASSISTANT:
                waiting[i].pop(0)
            if not any(message["role"] == ASSISTANT for message in waiting[i]):
                row: dict[str, Any] = {"row": group[i].number, "conversations": chats[i]}
                if group[i].domain is not None:
                    row["domain"] = group[i].domain
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
                del waiting[i]
    return answers


def _rows(corpus: Corpus, done: dict[int, Any]) -> Iterator[_Row]:
    number = 0
    for batch in corpus.batches():
        if batch.preformatted:
            raise InputError(
                f"{corpus.name} holds rendered texts, whose turns cannot be answered anew; give "
                "conversations."
            )
        for i in range(len(batch)):
            if number not in done:
                messages = [
                    {"role": m["role"], "content": m.get("content") or ""}
                    for m in batch.messages(i)
                ]
                domain = batch.domains[i].as_py() if batch.domains is not None else None
                yield _Row(number, messages, domain)
            number += 1


def _groups(rows: Iterator[_Row], size: int) -> Iterator[list[_Row]]:
    while group := list(islice(rows, size)):
        yield group


def _finished(partial: Path, settings: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Read the finished rows; the first line holds the settings that they were made with."""
    rows: dict[int, dict[str, Any]] = {}
    if not partial.is_file():
        write_atomic(partial, (json.dumps({"settings": settings}) + "\n").encode())
        return rows
    for line in partial.read_text("utf-8").splitlines():
        with suppress(ValueError, KeyError):  # the line that was being written when it stopped
            row = json.loads(line)
            if "settings" in row:
                _same(row["settings"], settings, partial)
            else:
                rows[row["row"]] = row
    if not partial.read_bytes().endswith(b"\n"):
        with partial.open("a", encoding="utf-8") as file:
            file.write("\n")
    return rows


def _same(stored: dict[str, Any], current: dict[str, Any], path: Path) -> None:
    changed = sorted(n for n in {*stored, *current} if stored.get(n) != current.get(n))
    if changed:
        raise InputError(
            f"{path} was made with another {', '.join(changed)}; give the same settings to "
            "continue, or another --out."
        )
