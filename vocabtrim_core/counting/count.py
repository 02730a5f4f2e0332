"""Count every token of a corpus exactly: threads over its blocks, finished parts kept on disk.

    corpus ─► Feed ─► encode_batch (one engine per thread) ─► parts on disk ─► TokenCounts

A killed count goes on where it stopped; a finished one is kept under what decides its numbers and
is not done again.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting import kept as kept_counts
from vocabtrim_core.counting import memory
from vocabtrim_core.counting.encoding import ResponseBatch, encode_batch, first_texts
from vocabtrim_core.counting.engines import ENGINES, REFERENCE, Reference, engines, objection
from vocabtrim_core.counting.feed import Feed
from vocabtrim_core.counting.guards import buffers
from vocabtrim_core.counting.parts import PartFolder
from vocabtrim_core.counting.proof import FIRST, LONGEST, ExactEngine, MismatchError, Proof
from vocabtrim_core.counting.recipe import Recipe
from vocabtrim_core.counting.response_files import ResponseFiles, keep_responses
from vocabtrim_core.counting.shard_counts import MOST_PIECES
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import Cancelled
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

Progress = Callable[..., None]  # progress(done, total, message, **rates); may raise Cancelled

POLL = 0.25  # seconds between looks at the threads
LOOK = 4  # blocks looked at for the first texts that an engine is to encode
COMPRESSION = 4  # bytes of text per byte of a compressed file or Parquet, about
PART_TEXT = 32 * 2**20  # bytes of text in a part, about
PART_BLOCKS = 4  # blocks in it
# Loading an engine takes about as long as encoding this much text with it.
THREAD_TEXT = 100 * 2**20
HF_TEXT = 2 * 2**20  # and HF tokenizers has encoded this much before a faster engine is loaded
# Memory of this process above which a thread gives freed pages back to the system, and above which,
# when that was not enough, it takes a new engine at the price of loading it: gigatoken's cache has
# no bound of its own. Blocks under way come on top, so this keeps two threads below 600 MB.
TRIM, RENEW = 400_000_000, 450_000_000
ENGINE_TEXT = 64 * 2**20  # but not before the old one has read this much


def count(
    corpus: Corpus,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    *,
    rule: str = "assistant",
    reasoning: bool = True,
    last_turn_only: bool = False,
    max_length: int | None = None,
    workers: int | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
    cache: bool = True,
    parts: Path | None = None,
    cluster: str | None = None,
    responses: bool = True,
) -> TokenCounts:
    """Counts of the corpus under a rule of `templates.RULES`; kept in the workspace.

    workers: threads, where the engine is not parallel itself; by default as many as the cores and
    the size of the corpus are worth.
    engine: the engine to prefer, see `engines.ENGINES`.  cache: False counts all of it anew.
    parts: folder for finished parts, by default in the workspace.  cluster: address of a Dask
    scheduler whose workers are to count.  responses: keep the counted ids themselves too, which
    intervals and forecasts need (see `response_files`); not from a cluster.  InputError; Cancelled,
    and then finished parts stay.
    """
    recipe = Recipe(tokenizer, template, rule, reasoning, last_turn_only, max_length)
    progress = progress or (lambda *args, **rates: None)
    progress(0, None, "Reading the corpus for its fingerprint")
    key = recipe.key(corpus.fingerprint())
    with kept_counts.alone(key, progress):
        if cache and (known := kept_counts.find(key, corpus)):
            return known
        started = time.perf_counter()
        root = (parts or workspace.folder("parts")) / key
        if not cache:
            PartFolder(root).remove()
        proof, folder = _count(
            corpus, recipe, root, engine, workers or _threads(corpus), cluster, responses, progress
        )
        counts, pieces = kept_counts.assemble(key, corpus, recipe, folder, proof)
        seconds = time.perf_counter() - started
        counts = replace(counts, provenance=replace(counts.provenance, seconds=seconds))
        kept_counts.keep(key, counts, pieces)
        if responses and (held := _files(folder, recipe).join(folder.finished, counts.tokens)):
            keep_responses(counts.key, held)
        PartFolder(root).remove()
        return counts


def encoded_responses(
    corpus: Corpus, recipe: Recipe, *, engine: str | None = None
) -> Iterator[ResponseBatch]:
    """The counted ids themselves, span by span; conversations are numbered through the corpus.

    MismatchError where the engine turns out not to give HF's ids; the reference never does.
    """
    exact, _ = next(_proved(corpus, recipe, engine))
    first = 0
    for batch in corpus.batches():
        ids, offsets, conversation = encode_batch(batch, recipe, exact).responses()
        yield ResponseBatch(ids, offsets, conversation + first)
        first += len(batch)


def _count(
    corpus: Corpus,
    recipe: Recipe,
    root: Path,
    engine: str | None,
    threads: int,
    cluster: str | None,
    responses: bool,
    progress: Progress,
) -> tuple[Proof, PartFolder]:
    """Count all parts with the first engine that proves exact to the end."""
    failed: list[str] = []
    for exact, proof in _proved(corpus, recipe, engine, failed):
        folder = PartFolder(root / re.sub(r"[^\w.]+", "-", exact.engine.label))
        try:
            if cluster:
                from vocabtrim_core.counting.cluster import count_parts

                count_parts(cluster, corpus, recipe, exact, folder, progress)
            else:
                keep = _files(folder, recipe) if responses else None
                count_here(corpus, recipe, exact, folder, threads, progress, keep)
        except MismatchError as error:
            failed.append(str(error))
            folder.remove()
        else:
            return replace(proof, passed=tuple(failed)), folder
    raise AssertionError("the reference engine cannot differ from itself")


def _proved(
    corpus: Corpus, recipe: Recipe, engine: str | None, failed: list[str] | None = None
) -> Iterator[tuple[ExactEngine, Proof]]:
    """Engines that give HF's ids for the first texts of the corpus, best first.

    failed: gets a sentence for every engine passed over.
    """
    failed = [] if failed is None else failed
    prefer = (engine,) if engine else tuple(ENGINES)
    if not engine and _text_bytes(corpus) < HF_TEXT:
        prefer = (REFERENCE,)
    only_hf = prefer == (REFERENCE,) or bool(objection(recipe.tokenizer))
    texts = _first_texts(corpus, recipe, 0 if only_hf else FIRST)
    pool = ThreadPoolExecutor(1)
    # HF lets other threads run while it encodes; engines do not while they load.
    truth = pool.submit(Reference(recipe.tokenizer).encode, texts)
    pool.shutdown(wait=False)
    for made in engines(recipe.tokenizer, prefer, failed):
        exact = ExactEngine(made, recipe.tokenizer)
        del made  # or a renewed engine would stay in memory
        try:
            checked = exact.check(texts, truth.result(), markup=recipe.counts_everything)
        except MismatchError as error:
            failed.append(str(error))
            continue
        memory.release()
        yield exact, Proof(exact.engine.label, checked=checked)


def _first_texts(corpus: Corpus, recipe: Recipe, most: int) -> pa.LargeStringArray:
    """The first texts of the corpus that an engine is to encode, but for very long ones."""
    blocks = (block for shard in corpus.shards() for block in corpus.blocks(shard))
    found = [pa.array([], pa.large_string())]
    while most and (block := next(blocks, None)) and len(found) <= LOOK:
        found.append(first_texts(block.batch(), recipe, most))
        most -= len(found[-1])
    texts = pa.concat_arrays(found)
    return texts.filter(pa.array(np.diff(buffers(texts)[0]) <= LONGEST))


def count_here(
    corpus: Corpus,
    recipe: Recipe,
    exact: ExactEngine,
    folder: PartFolder,
    threads: int,
    progress: Progress,
    keep: ResponseFiles | None = None,
) -> None:
    """Count the parts that are not in the folder yet, on threads of this process.

    MismatchError when the engine is found not to give HF's ids.
    """
    feed = Feed(corpus, corpus.shards(), folder.finished, folder.save)
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise Cancelled("Stopped; what was finished is kept.")

    def thread(own: bool) -> None:
        engine = exact if own else exact.fresh()
        memory.release()
        work(feed, recipe, engine, pieces_per_block(corpus), check, keep)

    threads = 1 if exact.engine.parallel else threads
    total, started = corpus.size_bytes, time.perf_counter()
    with ThreadPoolExecutor(threads, thread_name_prefix="count") as pool:
        running = {pool.submit(thread, i == 0) for i in range(threads)}
        try:
            while running:
                done, running = wait(running, POLL, FIRST_COMPLETED)
                for future in done:
                    future.result()
                seconds = time.perf_counter() - started
                progress(
                    min(feed.file_bytes, total), total, "Counting",
                    rows_per_s=feed.rows / seconds, MB_per_s=feed.text_bytes / 1e6 / seconds,
                )  # fmt: skip
        except BaseException:
            stopped.set()
            feed.stop()
            raise


def work(
    feed: Feed,
    recipe: Recipe,
    exact: ExactEngine,
    pieces: int,
    check: Callable[[], None] = lambda: None,
    keep: ResponseFiles | None = None,
) -> None:
    """Count blocks of the feed with one engine, each in so many pieces, until none is left.

    keep: gets the counted ids of every block, before the block is given back.
    """
    read = 0
    while block := feed.take():
        batch = block.batch()
        encoded = encode_batch(batch, recipe, exact, check)
        if keep:
            keep.add(block.part, block.first_row, batch, encoded.responses())
        size, report, proof = batch.contents.nbytes, encoded.report, encoded.proof
        counts = encoded.counts(pieces, recipe.tokenizer.vocab_size)
        del batch, encoded  # before memory is looked at, and before the next block is read
        feed.give(block, size, counts, report, proof)
        del block
        read += size
        if memory.private() > TRIM:
            memory.release()
            if exact.engine.grows and read > ENGINE_TEXT and memory.private() > RENEW:
                exact.renew()
                memory.release()
                read = 0


def _files(folder: PartFolder, recipe: Recipe) -> ResponseFiles:
    """The responses that belong to the parts of a folder."""
    return ResponseFiles(folder.path, recipe.tokenizer.vocab_size)


def pieces_per_block(corpus: Corpus) -> int:
    """Into how many pieces each block's counts go, so that a corpus has about MOST_PIECES."""
    blocks = max(1, _text_bytes(corpus) * PART_BLOCKS // PART_TEXT)
    return max(1, MOST_PIECES // blocks)


def _threads(corpus: Corpus) -> int:
    """As many threads as there are cores for us, but no more than pay for their engine."""
    cores = len(psutil.Process().cpu_affinity() or [0]) if psutil.LINUX else os.cpu_count() or 1
    return max(1, min(cores, _text_bytes(corpus) // THREAD_TEXT))


def _text_bytes(corpus: Corpus) -> int:
    """Bytes of text in the corpus, roughly."""
    packed = (".parquet", ".gz", ".zst")
    return sum(
        path.stat().st_size * (COMPRESSION if path.suffix.lower() in packed else 1)
        for path in corpus.files
    )
