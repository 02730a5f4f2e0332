"""Count every token of a corpus exactly: threads over its blocks, finished parts kept on disk.

    corpus -> WorkQueue -> encode_batch (one engine per thread) -> parts on disk -> TokenCounts

An interrupted count continues where it stopped. A finished count is kept in the workspace and found
again by the key of its corpus and recipe.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting import cache as kept_counts
from vocabtrim_core.counting import memory
from vocabtrim_core.counting.candidates import candidates
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.engines import PARALLELISM
from vocabtrim_core.counting.parts import Part, PartFolder
from vocabtrim_core.counting.proof import ExactEngine, MismatchError, Proof
from vocabtrim_core.counting.response_files import ResponseFiles, keep_responses
from vocabtrim_core.counting.work_queue import WorkQueue, text_bytes
from vocabtrim_core.counting.worker import pieces_per_block, work
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import Cancelled
from vocabtrim_core.machine import cores
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.templates.verify import SpanError
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.workspace.files import write_atomic

Progress = Callable[..., None]  # progress(done, total, message, **rates); may raise Cancelled

POLL = 0.25  # seconds between progress reports
# Loading an engine takes about as long as encoding this much text with it.
THREAD_TEXT = 100 * 2**20


def count(
    corpus: Corpus,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    *,
    rule: str = "assistant",
    reasoning: bool = True,
    last_turn_only: bool = False,
    max_length: int | None = None,
    most_refused: float = 0.01,
    workers: int | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
    cache: bool = True,
    run: str = "",
    parts: Path | None = None,
    cluster: str | None = None,
    responses: bool = True,
) -> TokenCounts:
    """Count the tokens of a corpus under a rule, and keep the counts in the workspace.

    Args:
        corpus: The corpus, read to its end.
        tokenizer: The tokenizer of the target model.
        template: The chat template of the target model.
        rule: One of `templates.RULES`: which tokens count.
        reasoning: Whether reasoning content counts where the template renders it.
        last_turn_only: Whether only the last assistant turn counts.
        max_length: Tokens of a rendered conversation that are read, None for all.
        most_refused: Largest share (0..1) of the conversations that may be broken or refused by the
            template. Fewer are left out and reported.
        workers: Threads, where the engine is not parallel itself; None for as many as the cores and
            the size of the corpus justify.
        engine: Name of the engine to prefer, one of `engines.ENGINES`; None for the fastest.
        progress: Called as progress(done, total, message, **rates) with bytes of files; may raise
            Cancelled.
        cache: Whether counts of the same corpus and recipe in the workspace are returned. False
            counts again, but keeps the parts that an interrupted run of the same name had finished.
        run: Name of the run, for cache=False.
        parts: Folder for finished parts, by default in the workspace.
        cluster: Address of a Dask scheduler whose workers are to count, None for this process.
        responses: Whether to keep the counted ids too (`response_files`), which intervals and
            forecasts need; never kept from a cluster.

    Returns:
        The counts with their provenance.

    Raises:
        InputError: A setting is out of range, the corpus cannot be read or holds nothing to count,
            or too much of it is broken or refused.
        Cancelled: `progress` raised it; finished parts stay.
    """
    recipe = CountConfig(
        tokenizer, template, rule, reasoning, last_turn_only, max_length, most_refused
    )
    progress = progress or (lambda *args, **rates: None)
    progress(0, None, "Reading the corpus for its fingerprint")
    key = recipe.key(corpus.fingerprint())
    threads = workers or _threads(corpus)
    with kept_counts.alone(key, progress), _hf_on_our_threads(threads):
        root = (parts or workspace.folder("parts")) / key
        if cache and (stored := kept_counts.find(key, corpus)):
            PartFolder(root).remove()  # left when a count was killed just before removing them
            kept_counts.check_refused(stored.provenance.corpora, recipe)
            return stored
        started = time.perf_counter()
        if not cache:
            _begin(root, run)
        proof, folder = _count(corpus, recipe, root, engine, threads, cluster, responses, progress)
        counts, pieces = kept_counts.assemble(key, corpus, recipe, folder, proof)
        seconds = time.perf_counter() - started
        counts = replace(counts, provenance=replace(counts.provenance, seconds=seconds))
        if responses and (
            joined_responses := _files(folder, recipe).join(folder.finished, counts.tokens)
        ):
            keep_responses(counts.key, joined_responses)
        kept_counts.keep(key, counts, pieces)  # last: these counts are found from now on
        PartFolder(root).remove()
        return counts


def _begin(root: Path, run: str) -> None:
    """Remove finished parts, unless they belong to a run of this name."""
    mark = root / "run.txt"
    if not (run and mark.is_file() and mark.read_text("utf-8") == run):
        PartFolder(root).remove()
        write_atomic(mark, run.encode())


def _count(
    corpus: Corpus,
    recipe: CountConfig,
    root: Path,
    engine: str | None,
    threads: int,
    cluster: str | None,
    responses: bool,
    progress: Progress,
) -> tuple[Proof, PartFolder]:
    """Count all parts with the fastest engine and spans that are exact to the end of the corpus."""
    failed: list[str] = []
    for template in _slower(recipe.template):
        try:
            slower_recipe = replace(recipe, template=template)
            return _count_with(
                corpus, slower_recipe, root, engine, threads, cluster, responses, progress, failed
            )
        except SpanError as error:
            failed.append(f"the quick way to counted spans ({error})")
            shutil.rmtree(root, ignore_errors=True)
    raise AssertionError("the definition cannot differ from itself")


def _slower(template: ChatTemplate) -> Iterator[ChatTemplate]:
    """The template, then without its fast path, then with spans found by the definition."""
    yield template
    yield (slower := replace(template, fast_path=None))
    yield replace(slower, literal=True)


def _count_with(
    corpus: Corpus,
    recipe: CountConfig,
    root: Path,
    engine: str | None,
    threads: int,
    cluster: str | None,
    responses: bool,
    progress: Progress,
    failed: list[str],
) -> tuple[Proof, PartFolder]:
    """Count all parts with the first engine that is exact to the end of the corpus.

    Returns:
        The proof that the count starts with, and the folder of the finished parts.

    Raises:
        SpanError: Counted spans are not those of the definition.
        AssertionError: Even the reference engine failed, which is a defect.
    """
    for exact, first in candidates(corpus, recipe, engine, failed):
        folder = PartFolder(root / re.sub(r"[^\w.]+", "-", exact.engine.label))
        try:
            if cluster:
                from vocabtrim_core.counting.cluster import count_parts

                first.result()
                count_parts(cluster, corpus, recipe, exact, folder, progress)
            else:
                keep = _files(folder, recipe) if responses else None
                count_here(corpus, recipe, exact, folder, threads, progress, keep, first)
        except MismatchError as error:
            failed.append(str(error))
            folder.remove()
        else:
            return replace(first.result(), passed=tuple(failed)), folder
    raise AssertionError("the reference engine cannot differ from itself")


def count_here(
    corpus: Corpus,
    recipe: CountConfig,
    exact: ExactEngine,
    folder: PartFolder,
    threads: int,
    progress: Progress,
    keep: ResponseFiles | None = None,
    first: Future[Proof] | None = None,
) -> None:
    """Count the parts that are not in the folder yet, on threads of this process.

    Args:
        corpus: The corpus.
        recipe: Tokenizer, template and rule.
        exact: The engine of the first thread; the others make one of the same kind.
        folder: Gets the finished parts.
        threads: Number of threads; 1 where the engine is parallel itself.
        progress: Called as `count.Progress`; an exception from it stops the threads.
        keep: Gets the counted ids of every block, None to drop them.
        first: The check on the first texts, which may still be running. Until it is done one of
            several threads waits, since HF uses its core.

    Raises:
        MismatchError: The engine gives other ids than HF tokenizers.
        SpanError: Counted spans are not those of the definition.
        InputError: A row has an id outside V, or a file cannot be read or written.
    """

    def finish(part: Part) -> None:
        if keep:
            keep.flush()  # first: a finished part is not counted again
        folder.save(part)

    vocab_size = recipe.tokenizer.vocab_size
    queue = WorkQueue(corpus, corpus.shards(), folder.finished, vocab_size, finish)
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise Cancelled("Stopped; what was finished is kept.")

    def thread(number: int) -> None:
        engine = exact.fresh() if number else exact
        memory.release()
        if first and number and number == threads - 1:
            wait([first])
        work(queue, recipe, engine, pieces_per_block(corpus), check, keep)

    threads = 1 if exact.engine.parallel else threads
    total, started = corpus.size_bytes, time.perf_counter()
    with ThreadPoolExecutor(threads, thread_name_prefix="count") as pool:
        running: set[Future[Any]] = {pool.submit(thread, number) for number in range(threads)}
        running |= {first} if first else set()
        try:
            while running:
                done, running = wait(running, POLL, FIRST_COMPLETED)
                for future in done:
                    future.result()
                seconds = time.perf_counter() - started
                progress(
                    min(queue.file_bytes, total),
                    total,
                    "Counting",
                    rows_per_s=queue.rows / seconds,
                    MB_per_s=queue.text_bytes / 1e6 / seconds,
                )
        except BaseException:
            stopped.set()
            queue.stop()
            raise


def _files(folder: PartFolder, recipe: CountConfig) -> ResponseFiles:
    """The responses that belong to the parts of a folder."""
    return ResponseFiles(folder.path, recipe.tokenizer.vocab_size)


def _threads(corpus: Corpus) -> int:
    """As many threads as there are cores for us, but no more than pay for their engine."""
    return max(1, min(cores(), text_bytes(corpus) // THREAD_TEXT))


@contextmanager
def _hf_on_our_threads(threads: int) -> Generator[None]:
    """Keep HF tokenizers from starting threads of its own where this process has several.

    They would compete for the same cores. A value that the user has set stays. HF reads the
    variable at every call.
    """
    if threads == 1 or PARALLELISM in os.environ:
        yield
        return
    os.environ[PARALLELISM] = "false"
    try:
        yield
    finally:
        os.environ.pop(PARALLELISM, None)
