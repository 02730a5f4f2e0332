"""The paper's alignment step: replace a corpus's answers by the target's own.

Every user turn is answered anew, with the new answers before it as the history. Rows are kept as
they finish, so a stopped regeneration continues; the result is a corpus like any other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
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
    """What came out. refused: prompts without an answer, which are left out, by reason."""

    path: Path
    conversations: int
    answers: int
    refused: dict[str, int]
    settings: dict[str, Any]

    def corpus(self) -> Corpus:
        """The regenerated conversations."""
        return open_corpus(self.path)


@dataclass(frozen=True, slots=True)
class _Row:
    """One conversation to answer. number: its position in the corpus, counted from 0."""

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
    """Write `out` (.jsonl) and `out`.about.json; continues what `out`.partial holds.

    InputError: another corpus or setting than the rows that are there, a full disk, or no row that
    got an answer.
    """
    return asyncio.run(_regenerate(corpus, answerer, sampling, out, progress))


async def _regenerate(
    corpus: Corpus, answerer: Answerer, sampling: Sampling, out: Path, progress: Progress
) -> Regenerated:
    about = out.with_name(f"{out.name}.about.json")
    await answerer.open()
    settings = {**answerer.about, **asdict(sampling), "corpus": corpus.fingerprint()}
    if about.is_file() and out.is_file():
        found = json.loads(about.read_text("utf-8"))
        await answerer.close()
        _same(found["settings"], settings, out)
        return Regenerated(
            out, found["conversations"], found["answers"], found["refused"], settings
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
    kept = _finished(partial, settings)
    if not kept:
        why = next(iter(refused), "the corpus has no prompts")
        raise InputError(f"No prompt of {corpus.name} got an answer ({why}).")
    lines = [json.dumps(kept[number], ensure_ascii=False) for number in sorted(kept)]
    write_atomic(out, ("\n".join(lines) + "\n").encode())
    answers = sum(m["role"] == ASSISTANT for row in kept.values() for m in row["conversations"])
    record = {
        "settings": settings,
        "conversations": len(kept),
        "answers": answers,
        "refused": refused,
        "source": corpus.name,
    }
    write_atomic(about, json.dumps(record, indent=1).encode())
    partial.unlink()
    return Regenerated(out, len(kept), answers, refused, settings)


def compare(original: TokenCounts, regenerated: TokenCounts, best: Callable[[TokenCounts], int]):
    """How far the target's own words move the choice: k* of both, and coverage across.

    best: counts -> k*, such as the exact optimum at the chosen alpha and floor.
    """
    from vocabtrim_core.coverage import CoverageCurve

    ks = {"original": best(original), "regenerated": best(regenerated)}
    chosen = CoverageCurve.of(original).vocabulary(ks["original"])
    theirs = regenerated.counts
    return {
        "k_original": ks["original"],
        "k_regenerated": ks["regenerated"],
        # What the vocabulary chosen on the original corpus covers of what the target says.
        "coverage_of_regenerated": float(theirs[chosen.ids].sum() / theirs.sum()),
    }


async def _answer_all(
    corpus: Corpus,
    answerer: Answerer,
    partial: Path,
    done: dict[int, Any],
    progress: Progress,
) -> dict[str, int]:
    """Answer what is missing, appending each finished conversation; returns what was refused."""
    groups = _groups(_rows(corpus, done), answerer.together)
    refused: dict[str, int] = {}
    finished, answered = len(done), 0
    with partial.open("a", encoding="utf-8") as kept:

        async def work() -> None:
            nonlocal finished, answered
            for group in groups:  # shared: every worker takes the next one
                answered += await _answer_group(group, answerer, kept, refused)
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
    group: Sequence[_Row], answerer: Answerer, kept: Any, refused: dict[str, int]
) -> int:
    """Answer some conversations turn by turn, all of them together; returns how many answers."""
    chats: list[list[dict[str, Any]]] = [[] for _ in group]
    waiting = {i: list(row.messages) for i, row in enumerate(group)}
    answers = 0
    while waiting:
        for i, messages in waiting.items():  # everything up to the next turn of the assistant
            while messages and messages[0]["role"] != ASSISTANT:
                chats[i].append(messages.pop(0))
        order = list(waiting)
        for i, said in zip(order, await answerer.answer([chats[i] for i in order]), strict=True):
            if isinstance(said, Refused) or not said.strip():
                reason = str(said) if isinstance(said, Refused) else "an empty answer"
                refused[reason] = refused.get(reason, 0) + 1
                del waiting[i]
                continue
            answers += 1
            chats[i].append({"role": ASSISTANT, "content": said})
            while waiting[i] and waiting[i][0]["role"] == ASSISTANT:
                waiting[i].pop(0)
            if not any(m["role"] == ASSISTANT for m in waiting[i]):
                row: dict[str, Any] = {"row": group[i].number, "conversations": chats[i]}
                if group[i].domain is not None:
                    row["domain"] = group[i].domain
                kept.write(json.dumps(row, ensure_ascii=False) + "\n")
                kept.flush()
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
    group: list[_Row] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _finished(partial: Path, settings: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Rows that are there; the first line says with which settings they were made."""
    found: dict[int, dict[str, Any]] = {}
    if not partial.is_file():
        write_atomic(partial, (json.dumps({"settings": settings}) + "\n").encode())
        return found
    for line in partial.read_text("utf-8").splitlines():
        with suppress(ValueError, KeyError):  # the line that was being written when it stopped
            row = json.loads(line)
            if "settings" in row:
                _same(row["settings"], settings, partial)
            else:
                found[row["row"]] = row
    if not partial.read_bytes().endswith(b"\n"):
        with partial.open("a", encoding="utf-8") as file:
            file.write("\n")
    return found


def _same(before: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    changed = sorted(n for n in {*before, *now} if before.get(n) != now.get(n))
    if changed:
        raise InputError(
            f"{path} was made with another {', '.join(changed)}; give the same settings to "
            "continue, or another --out."
        )
