"""Hands the blocks of a corpus to threads, and joins their counts part by part.

A thread reads the shard it has begun to its end, then the next one on its side of the corpus:
neighbouring text has words in common, which the cache of an engine holds. Only when no shard is
left does it read on in the shards of other threads. So one compressed file, which can only be read
in order, keeps all threads busy.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vocabtrim_core.corpora import Block, Corpus, Shard, SkipReport
from vocabtrim_core.counting.parts import Part, PartInfo
from vocabtrim_core.counting.proof import Proof
from vocabtrim_core.counting.shard_counts import MOST_PIECES, ShardCounts, compact

PART_TEXT = 32 * 2**20  # bytes of text in a part, about
COMPRESSION = 4  # bytes of text per byte of a compressed file or Parquet, about


@dataclass(slots=True, eq=False)
class _Reader:
    """A shard that is being read.

    Attributes:
        blocks: The blocks left.
        part: Part of the block read last.
    """

    blocks: Iterator[Block]
    part: str = ""  # of the block read last


@dataclass(slots=True)
class _Builder:
    """A part that is being counted.

    Attributes:
        waiting: Blocks handed out and not counted yet.
        closed: Whether no more blocks of the part will follow.
        rows: Rows counted.
        file_bytes: Bytes of the file, as stored.
        text_bytes: Bytes of the messages.
        report: Rows left out.
        notes: What was counted without a part of it.
        proof: Evidence that the ids are HF's.
        pieces: (first row, counts) of each block.
    """

    waiting: int = 0
    closed: bool = False
    rows: int = 0
    file_bytes: int = 0
    text_bytes: int = 0
    report: SkipReport = field(default_factory=SkipReport)
    notes: SkipReport = field(default_factory=SkipReport)
    proof: Proof = field(default_factory=Proof)
    pieces: list[tuple[int, ShardCounts]] = field(default_factory=list)

    def part(self, key: str, most: int, vocab_size: int) -> Part:
        """The finished part, its counts in at most `most` pieces."""
        pieces = [piece for _, piece in sorted(self.pieces, key=lambda pair: pair[0])]
        joined = compact(pieces, sum(map(len, pieces)), vocab_size, most)
        sizes = self.rows, self.file_bytes, self.text_bytes
        info = PartInfo(key, len(joined), *sizes, self.report, self.proof, self.notes)
        return Part(info, joined)


class BlockFindings(NamedTuple):
    """What was found in a block besides its counts.

    Attributes:
        report: Rows left out.
        notes: What was counted without a part of it.
        proof: Evidence that the ids are HF's.
    """

    report: SkipReport
    notes: SkipReport
    proof: Proof


class WorkQueue:
    """Gives every block to one thread, and joins the counts of finished parts.

    A thread calls `take`, counts the block, and calls `give`.

    Attributes:
        file_bytes: Bytes of files read so far, finished parts included.
        rows: Rows counted here.
        text_bytes: Bytes of messages counted here.
    """

    def __init__(
        self,
        corpus: Corpus,
        shards: Iterable[Shard],
        finished: Mapping[str, PartInfo],
        vocab_size: int,
        on_part: Callable[[Part], None],
    ) -> None:
        """Start with the shards that are not finished.

        Args:
            corpus: The corpus.
            shards: Its shards to read.
            finished: Key to finished part; these are not read again.
            vocab_size: V.
            on_part: Called with every further part, by the thread that completed it. The counts of
                the part are in its share of MOST_PIECES pieces.
        """
        self._corpus, self._finished, self._on_part = corpus, finished, on_part
        self._vocab_size = vocab_size
        self._most = max(1, MOST_PIECES // max(1, text_bytes(corpus) // PART_TEXT))
        self._shards = deque(shard for shard in shards if shard.key not in finished)
        self._idle: deque[_Reader] = deque()
        self._own = threading.local()  # reader: begun by this thread; next: shard on its side
        self._sides = itertools.cycle((self._shards.popleft, self._shards.pop))
        self._reading = 0
        self._stopped = False
        self._building: dict[str, _Builder] = {}
        self._changed = threading.Condition()
        self.file_bytes = sum(info.file_bytes for info in finished.values())
        self.rows = self.text_bytes = 0  # counted here, finished parts not included

    def take(self) -> Block | None:
        """Take the next block to count; waits while other threads may still add blocks.

        Returns:
            The block; None when none is left or the queue was stopped.

        Raises:
            InputError: A file cannot be read.
        """
        while reader := self._reader():
            try:
                block = next(reader.blocks, None)
            except BaseException:
                self.stop()  # the part must not be finished without the rest
                raise
            self._put_back(reader, block)
            if block:
                return block
        return None

    def give(
        self, block: Block, text_bytes: int, counts: ShardCounts, findings: BlockFindings
    ) -> None:
        """Return what was counted in a block; calls `on_part` when its part is complete.

        Args:
            block: The block.
            text_bytes: Bytes of its messages.
            counts: Its counts.
            findings: Its reports and evidence.
        """
        with self._changed:
            builder = self._building[block.part]
            builder.pieces.append((block.first_row, counts))
            builder.report += findings.report
            builder.notes += findings.notes
            builder.proof += findings.proof
            builder.rows += block.rows
            builder.file_bytes += block.file_bytes
            builder.text_bytes += text_bytes
            builder.waiting -= 1
            self.rows += block.rows
            self.file_bytes += block.file_bytes
            self.text_bytes += text_bytes
            done = self._if_done(block.part)
        self._hand_over(block.part, done)

    def stop(self) -> None:
        """Stop handing out blocks."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _reader(self) -> _Reader | None:
        with self._changed:
            while self._reading and not (self._stopped or self._idle or self._shards):
                self._changed.wait()
            if self._stopped or not (self._idle or self._shards):
                return None
            self._reading += 1
            if (own_reader := getattr(self._own, "reader", None)) in self._idle:
                self._idle.remove(own_reader)
                return own_reader
            if not self._shards:
                return self._idle.popleft()
            if own_reader is None:
                self._own.next = next(self._sides)
            shard = self._own.next()
        self._own.reader = _Reader(iter(self._corpus.blocks(shard, self._finished)))
        return self._own.reader

    def _put_back(self, reader: _Reader, block: Block | None) -> None:
        """Put a reader back if it gave a block, else close its last part."""
        part, done = "", None
        with self._changed:
            self._reading -= 1
            if reader.part and (block is None or block.part != reader.part):
                self._building[reader.part].closed = True
                part, done = reader.part, self._if_done(reader.part)
            if block:
                reader.part = block.part
                self._building.setdefault(block.part, _Builder()).waiting += 1
                self._idle.append(reader)
            self._changed.notify_all()
        self._hand_over(part, done)

    def _if_done(self, key: str) -> _Builder | None:
        builder = self._building[key]
        return None if not builder.closed or builder.waiting else self._building.pop(key)

    def _hand_over(self, key: str, done: _Builder | None) -> None:
        """Pass on a finished part, outside the lock."""
        if done:
            self._on_part(done.part(key, self._most, self._vocab_size))


def text_bytes(corpus: Corpus) -> int:
    """Estimate the bytes of text in a corpus from the sizes of its files.

    Args:
        corpus: The corpus.

    Returns:
        Bytes; compressed files count COMPRESSION times.
    """
    packed = (".parquet", ".gz", ".zst")
    return sum(
        path.stat().st_size * (COMPRESSION if path.suffix.lower() in packed else 1)
        for path in corpus.files
    )
