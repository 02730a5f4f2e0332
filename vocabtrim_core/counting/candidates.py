"""Engines for a corpus, best first, each with its check on the first texts.

HF tokenizers encodes those texts while an engine is loaded, and may still do so when that engine
begins to count. When HF disagrees, what was counted is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting import memory
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import first_texts
from vocabtrim_core.counting.engines import (
    ENGINES,
    REFERENCE,
    Encoded,
    Reference,
    engines,
    objection,
)
from vocabtrim_core.counting.proof import (
    LONGEST,
    ExactEngine,
    MismatchError,
    Proof,
    ProofSample,
    block_of,
)
from vocabtrim_core.counting.unicode_exceptions import buffers
from vocabtrim_core.counting.work_queue import text_bytes

LOOK = 4  # blocks read at most for the first texts that an engine is to encode
MOST_TEXTS = 2000  # first texts from one block, at most
HF_TEXT = 4 * 2**20  # bytes of text that HF tokenizers encodes while a faster engine is loaded


def candidates(
    corpus: Corpus, recipe: CountConfig, engine: str | None, failed: list[str]
) -> Iterator[tuple[ExactEngine, Future[Proof]]]:
    """Yield engines in order of preference, each with its check on the first texts.

    Args:
        corpus: The corpus to count.
        recipe: Tokenizer, template and rule.
        engine: Name of the engine to prefer, one of `engines.ENGINES`; None for the fastest.
        failed: Gets one sentence for every engine that is passed over.

    Yields:
        (engine, future of the proof that its count starts with). The future may hold a
        MismatchError.

    Raises:
        InputError: There is no engine of this name, or the tokenizer has BPE dropout.
    """
    prefer = (engine,) if engine else tuple(ENGINES)
    if not engine and text_bytes(corpus) < HF_TEXT:
        prefer = (REFERENCE,)
    only_hf = prefer == (REFERENCE,) or bool(objection(recipe.tokenizer))
    sample = ProofSample.of(text_bytes(corpus))
    texts, first = _first_texts(corpus, recipe, 0 if only_hf else sample.first)
    pool = ThreadPoolExecutor(1, thread_name_prefix="proof")
    try:
        # Other threads run while HF encodes, but not while an engine is loaded.
        truth = pool.submit(Reference(recipe.tokenizer).encode, texts)
        for candidate in engines(recipe.tokenizer, prefer, failed):
            exact = ExactEngine(candidate, recipe.tokenizer, first, sample)
            del candidate  # otherwise the engine stays in memory after `renew`
            try:
                agrees = exact.claim(texts, markup=recipe.counts_everything)
            except MismatchError as error:
                failed.append(str(error))
                continue
            yield exact, pool.submit(_checked, agrees, truth)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def proved(
    corpus: Corpus, recipe: CountConfig, engine: str | None, failed: list[str]
) -> Iterator[ExactEngine]:
    """Yield only those engines of `candidates` that passed the check on the first texts.

    Args:
        corpus: The corpus to count.
        recipe: Tokenizer, template and rule.
        engine: Name of the engine to prefer, one of `engines.ENGINES`; None for the fastest.
        failed: Gets one sentence for every engine that is passed over.

    Yields:
        Engines whose ids for the first texts are HF's.

    Raises:
        InputError: As `candidates`.
    """
    for exact, proof in candidates(corpus, recipe, engine, failed):
        if error := proof.exception():
            failed.append(str(error))
        else:
            yield exact


def _checked(agrees: Callable[[Encoded], Proof], truth: Future[Encoded]) -> Proof:
    proof = agrees(truth.result())
    memory.release()  # HF's memory
    return proof


def _first_texts(
    corpus: Corpus, recipe: CountConfig, most: int
) -> tuple[pa.LargeStringArray, dict[str, int]]:
    """The first texts of a corpus that an engine is to encode, about `most` bytes.

    Texts longer than LONGEST are left out, and so is what follows a block of rendered rows alone.

    Returns:
        (texts, how many of them each block has by `block_of`).
    """
    blocks = (block for shard in corpus.shards() for block in corpus.blocks(shard))
    chunks, of_block = [pa.array([], pa.large_string())], {}
    while most > 0 and (block := next(blocks, None)) and len(chunks) <= LOOK:
        batch = block.batch()
        texts = first_texts(batch, recipe, MOST_TEXTS)
        ends = np.cumsum(np.minimum(np.diff(buffers(texts)[0]), LONGEST + 1))
        chosen = texts[: int(np.searchsorted(ends, most)) + 1]
        if not len(chosen):
            break
        chunks.append(chosen)
        of_block[block_of(batch)] = len(chosen)
        most -= int(ends[len(chosen) - 1])
    texts = pa.concat_arrays(chunks)
    return texts.filter(pa.array(np.diff(buffers(texts)[0]) <= LONGEST)), of_block
