"""The work of one worker of a count, a thread here or a task of a cluster."""

from __future__ import annotations

from collections.abc import Callable

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting import memory
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import encode_batch
from vocabtrim_core.counting.proof import ExactEngine
from vocabtrim_core.counting.response_files import ResponseFiles
from vocabtrim_core.counting.shard_counts import MOST_PIECES
from vocabtrim_core.counting.span_proof import check_sample
from vocabtrim_core.counting.work_queue import PART_TEXT, BlockFindings, WorkQueue, text_bytes

PART_BLOCKS = 4  # blocks in a part of PART_TEXT
# Bytes. Above TRIM a thread returns freed pages to the system, rarely because it costs time to get
# them back. gigatoken's cache grows without bound, so a thread loads a new engine when more than
# RENEW is allocated, and ROOM more than with a new engine. Two threads stay at about 600 MB.
TRIM, RENEW, ROOM = 552_000_000, 340_000_000, 60_000_000
ENGINE_TEXT = 64 * 2**20  # bytes of text that an engine reads before it is renewed, at least


def work(
    feed: WorkQueue,
    recipe: CountConfig,
    exact: ExactEngine,
    pieces: int,
    check: Callable[[], None] = lambda: None,
    keep: ResponseFiles | None = None,
) -> None:
    """Count blocks with one engine until none is left.

    Args:
        feed: Gives the blocks, and gets what was counted.
        recipe: Tokenizer, template and rule.
        exact: The engine, renewed when its cache takes too much memory.
        pieces: Pieces of each block's counts.
        check: Called often; may raise to stop.
        keep: Gets the counted ids of every block; None to drop them.

    Raises:
        MismatchError: The engine gives other ids than HF tokenizers.
        SpanError: Counted spans are not those of the definition.
        InputError: A row has an id outside V, or a file cannot be read or written.
    """
    read, most = 0, max(RENEW, memory.allocated() + ROOM)
    while block := feed.take():
        batch = block.batch()
        encoded = encode_batch(batch, recipe, exact, check)
        if keep:
            keep.add(block.part, block.first_row, batch, encoded.sizes(), encoded.responses)
        proof = encoded.proof + check_sample(batch, recipe, encoded)
        size, findings = batch.contents.nbytes, BlockFindings(encoded.report, encoded.notes, proof)
        counts = encoded.counts(pieces, recipe.tokenizer.vocab_size)
        del batch, encoded  # before memory is looked at, and before the next block is read
        feed.give(block, size, counts, findings)
        del block
        read += size
        if memory.private() > TRIM:
            memory.release()
            if exact.engine.grows and read > ENGINE_TEXT and memory.allocated() > most:
                exact.renew()
                memory.release()
                read, most = 0, max(RENEW, memory.allocated() + ROOM)


def pieces_per_block(corpus: Corpus) -> int:
    """Choose the pieces of each block's counts, so that a corpus has about MOST_PIECES.

    Args:
        corpus: The corpus.

    Returns:
        1 or more.
    """
    blocks = max(1, text_bytes(corpus) * PART_BLOCKS // PART_TEXT)
    return max(1, MOST_PIECES // blocks)
