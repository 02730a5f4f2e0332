"""The paper's alignment step: replace a corpus's answers by the target's own.

Every user turn is answered again, with the new answers before it as the history. Answers are stored
as they are made, so that a stopped or killed regeneration continues without asking any prompt
twice. The result is a corpus like any other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import filelock

from vocabtrim_core.corpora import Corpus, questions
from vocabtrim_core.corpora.skips import NoConversationsError
from vocabtrim_core.drafts.answer_journal import AnswerJournal, require_same
from vocabtrim_core.drafts.answered_conversation import AnsweredConversation
from vocabtrim_core.drafts.completion_clients import Answerer, Completion, Refused, Sampling
from vocabtrim_core.drafts.regenerated import Regenerated, about_file, read_about
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import remove_scratch, write_atomic
from vocabtrim_core.workspace.locks import named_lock

Progress = Callable[..., Any]
POLL_SECONDS = 0.5


@dataclass(slots=True)
class _Work:
    """What the workers share. Each field changes in one statement, never across an await."""

    total: int
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    conversations: int = 0
    answers: int = 0
    cut: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def finish(self, conversation: AnsweredConversation) -> None:
        self.conversations += 1
        self.cut += conversation.cut
        if row := conversation.json():
            self.rows[conversation.row] = row
            self.answers += conversation.answers


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
        sampling: How answers are sampled, and what becomes of those that are cut.
        out: The .jsonl file to write.
        progress: Called as progress(done, total, message, answers=...), in conversations.

    Returns:
        The new corpus.

    Raises:
        InputError: Answers that exist were made from another corpus or with other settings, another
            process writes them, the corpus holds rendered texts, the disk is full, or no row got a
            complete answer.
    """
    out = out.resolve()
    lock = named_lock(
        f"answers-{hashlib.sha256(str(out).encode()).hexdigest()[:16]}", blocking=False
    )
    try:
        with lock:
            return asyncio.run(_regenerate(corpus, answerer, sampling, out, progress))
    except filelock.Timeout:
        raise InputError(
            f"Another process is writing the answers {out}; wait for it, or give another --out."
        ) from None


async def _regenerate(
    corpus: Corpus, answerer: Answerer, sampling: Sampling, out: Path, progress: Progress
) -> Regenerated:
    about_path = about_file(out)
    partial = out.with_name(f"{out.name}.partial")
    remove_scratch(out.parent, f"{out.name}.*", below=False)
    await answerer.open()
    settings = {**answerer.about, **asdict(sampling), "corpus": corpus.fingerprint()}
    if about_path.is_file() and out.is_file():
        about = read_about(out)
        await answerer.close()
        require_same(about.settings, settings, out)
        partial.unlink(missing_ok=True)
        return Regenerated(
            out, about.conversations, about.answers, about.refused, settings, cut=about.cut
        )
    partial.parent.mkdir(parents=True, exist_ok=True)
    work = _Work(sum(1 for _ in _rows(corpus)))
    try:
        with AnswerJournal(partial, settings) as journal:
            await _answer_all(corpus, answerer, sampling.cut_answers, journal, work, progress)
    except OSError as error:
        if error.errno in disk.FULL:
            raise InputError(disk.refusal(error, partial)) from error
        raise
    finally:
        await answerer.close()
    if not work.rows:
        raise InputError(_nothing(corpus, work, sampling))
    lines = [json.dumps(work.rows[number], ensure_ascii=False) for number in sorted(work.rows)]
    write_atomic(out, ("\n".join(lines) + "\n").encode())
    result = Regenerated(
        out, len(work.rows), work.answers, dict(work.refused), settings, cut=work.cut
    )
    names = ("settings", "conversations", "answers", "refused", "cut")
    record = {**{n: getattr(result, n) for n in names}, "source": corpus.name}
    write_atomic(about_path, json.dumps(record, indent=1).encode())
    partial.unlink()
    return result


def _nothing(corpus: Corpus, work: _Work, sampling: Sampling) -> str:
    """Say why there is no conversation to train on."""
    if work.cut and not work.refused:
        return (
            f"No prompt of {corpus.name} got a complete answer: all {work.cut:,} were cut at "
            f"{sampling.max_tokens:,} tokens; raise --answer-tokens."
        )
    reason = next(iter(work.refused), "the corpus has no prompts")
    return f"No prompt of {corpus.name} got an answer ({reason})."


async def _answer_all(
    corpus: Corpus,
    answerer: Answerer,
    cut_answers: str,
    journal: AnswerJournal,
    work: _Work,
    progress: Progress,
) -> None:
    """Answer what the journal does not hold, and collect every finished conversation."""
    groups = _groups(_conversations(corpus, cut_answers), answerer.batch_size)

    async def answer_groups() -> None:
        for group in groups:  # an iterator that the workers share
            await _answer_group(group, answerer, journal, work)

    def report() -> None:
        doing = ["Regenerating answers", *filter(None, [answerer.activity])]
        doing += [f"{work.cut:,} cut by the limit"] if work.cut else []
        progress(work.conversations, work.total, ", ".join(doing), answers=len(journal.answers))

    tasks = [asyncio.create_task(answer_groups()) for _ in range(answerer.workers)]
    try:
        pending = set(tasks)
        while pending:
            report()
            done, pending = await asyncio.wait(
                pending, timeout=POLL_SECONDS, return_when=asyncio.FIRST_EXCEPTION
            )
            for task in done:
                task.result()
        report()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer_group(
    group: list[AnsweredConversation], answerer: Answerer, journal: AnswerJournal, work: _Work
) -> None:
    """Answer some conversations turn by turn, one call for all of them."""
    waiting = group
    while waiting:
        prompts = [(talk, talk.prompt(journal.answers)) for talk in waiting]
        for talk, prompt in prompts:
            if prompt is None:
                work.finish(talk)
        asked = [(talk, prompt) for talk, prompt in prompts if prompt is not None]
        waiting = [talk for talk, _ in asked]
        replies = await answerer.answer([prompt for _, prompt in asked]) if asked else []
        for talk, reply in zip(list(waiting), replies, strict=True):
            if isinstance(reply, Completion) and reply.text.strip():
                journal.add(talk.row, talk.turn, reply)
                continue
            work.refused[str(reply) if isinstance(reply, Refused) else "an empty answer"] += 1
            work.conversations += 1
            waiting.remove(talk)


def _conversations(corpus: Corpus, cut_answers: str) -> Iterator[AnsweredConversation]:
    for number, (messages, domain) in enumerate(_rows(corpus)):
        yield AnsweredConversation(number, domain, messages, cut_answers)


def _rows(corpus: Corpus) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
    """Messages and domain of each conversation; where no row has an answer, its questions."""
    try:
        for batch in corpus.batches():
            if batch.preformatted:
                raise InputError(
                    f"{corpus.name} holds rendered texts, whose turns cannot be answered anew; "
                    "give conversations."
                )
            for i in range(len(batch)):
                messages = [
                    {"role": m["role"], "content": m.get("content") or ""}
                    for m in batch.messages(i)
                ]
                yield messages, batch.domains[i].as_py() if batch.domains is not None else None
    except NoConversationsError:
        some = False
        for messages, _ in questions.without_answers(corpus):
            some = True
            yield messages, None
        if not some:
            raise


def _groups(
    conversations: Iterator[AnsweredConversation], size: int
) -> Iterator[list[AnsweredConversation]]:
    while group := list(islice(conversations, size)):
        yield group
