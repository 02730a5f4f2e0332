"""What one worker of a count does, a thread here or a task of a cluster: block after block."""

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
# Memory of this process above which a thread gives freed pages back: seldom, for it takes time to
# get them again. gigatoken's cache has no bound of its own, so a thread takes a new engine, at the
# price of loading it, when more than RENEW is allocated and ROOM more than with the engine new.
# Together they keep two threads at some 600 MB.
TRIM, RENEW, ROOM = 552_000_000, 340_000_000, 60_000_000
ENGINE_TEXT = 64 * 2**20  # but not before the old one has read this much


def work(
    feed: WorkQueue,
    recipe: CountConfig,
    exact: ExactEngine,
    pieces: int,
    check: Callable[[], None] = lambda: None,
    keep: ResponseFiles | None = None,
) -> None:
    """Count blocks of the feed with one engine, each in so many pieces, until none is left.

    keep: gets the counted ids of every block, before the block is given back.
    """
    read, most = 0, max(RENEW, memory.allocated() + ROOM)
    while block := feed.take():
        batch = block.batch()
        encoded = encode_batch(batch, recipe, exact, check)
        if keep:
            keep.add(block.part, block.first_row, batch, encoded.sizes(), encoded.responses)
        proof = encoded.proof + check_sample(batch, recipe, encoded)
        size, found = batch.contents.nbytes, BlockFindings(encoded.report, encoded.notes, proof)
        counts = encoded.counts(pieces, recipe.tokenizer.vocab_size)
        del batch, encoded  # before memory is looked at, and before the next block is read
        feed.give(block, size, counts, found)
        del block
        read += size
        if memory.private() > TRIM:
            memory.release()
            if exact.engine.grows and read > ENGINE_TEXT and memory.allocated() > most:
                exact.renew()
                memory.release()
                read, most = 0, max(RENEW, memory.allocated() + ROOM)


def pieces_per_block(corpus: Corpus) -> int:
    """Into how many pieces each block's counts go, so that a corpus has about MOST_PIECES."""
    blocks = max(1, text_bytes(corpus) * PART_BLOCKS // PART_TEXT)
    return max(1, MOST_PIECES // blocks)
