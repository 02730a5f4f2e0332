"""Responses of a corpus, collected while it is counted and kept beside its counts.

The responses of several blocks are one file, written when they are large enough, and always before
a part that they belong to is finished. So memory use is bounded, an interrupted count keeps what
belongs to its finished parts, and the joined result does not depend on the order of the threads.

Of a large corpus a random sample of the conversations is stored: those whose hash ends in enough
zero bits that their tokens fit under the cap. The hash is of the row, so the sample is the same in
every run.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
from __future__ import annotations

import binascii
import functools
import threading
import uuid
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from vocabtrim_core import workspace
from vocabtrim_core.counting.response_batch import unpacked
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

if TYPE_CHECKING:
    from vocabtrim_core.corpora import MessageBatch
    from vocabtrim_core.counting.response_batch import ResponseBatch
    from vocabtrim_core.counts import TokenCounts

CAP = 20_000_000  # tokens stored of one corpus: 80 MB
LEVELS = 64
SUFFIX = ".responses.npz"
BLOCKS = ".blocks.arrow"
TOGETHER = 8 * 2**20  # bytes of responses in a file, about
# Schema of an Arrow file with one record batch per block and one row per stored conversation. The
# metadata of a batch name the block and its counted tokens of each level, stored or not.
SCHEMA = pa.schema(
    [
        ("spans", pa.large_list(pa.large_binary())),  # the uint32 ids of each
        ("level", pa.uint8()),
        ("domain", pa.string()),
    ]
)
Place = tuple[str, int]  # part and first row of a block


class _Held(NamedTuple):
    """What is stored of a block.

    Attributes:
        place: The block.
        by_level: int64[LEVELS], all counted tokens of the block by hash level.
        rows: One row per stored conversation (SCHEMA).
    """

    place: Place
    by_level: np.ndarray
    rows: pa.RecordBatch

    def from_level(self, level: int) -> pa.RecordBatch:
        """The conversations whose hash has this level or a higher one."""
        return self.rows.filter(pc.greater_equal(self.rows["level"], level)) if level else self.rows


class ResponseFiles:
    """The responses of a running count, block by block; safe to call from several threads.

    Attributes:
        folder: The folder of the files; those already there belong to the same count.
        vocab_size: V.
        cap: Tokens stored at most.
    """

    def __init__(self, folder: Path, vocab_size: int, cap: int = CAP) -> None:
        self.folder, self.vocab_size, self.cap = folder, vocab_size, cap
        self._lock, self._disk = threading.Lock(), threading.Lock()
        self._seen: dict[Place, np.ndarray] = {}  # counted tokens by level, stored or not
        self._waiting: list[_Held] = []  # not yet in a file
        self._bytes = 0  # of these
        for path in folder.glob(f"*{BLOCKS}"):
            try:
                self._seen |= {held.place: held.by_level for held in _read(path)}
            except InputError:
                path.unlink(missing_ok=True)  # damaged: its blocks are counted again

    def add(
        self,
        part: str,
        first_row: int,
        batch: MessageBatch,
        sizes: np.ndarray,
        responses: Callable[[np.ndarray], ResponseBatch],
    ) -> None:
        """Store the responses of one counted block.

        Args:
            part: Part of the block.
            first_row: Its first row.
            batch: Its messages.
            sizes: int64[conversations], counted ids of each.
            responses: Gives the spans of the conversations chosen by bool[conversations].

        Raises:
            InputError: The disk is full.
        """
        levels, place = hash_levels(part, batch.rows), (part, first_row)
        by_level = np.bincount(levels, sizes, LEVELS).astype(np.int64)
        with self._lock:
            self._seen[place] = by_level
            least = _level(self._seen.values(), self.cap)
        is_stored = (levels >= least) & (sizes > 0)
        spans = responses(is_stored)
        row_offsets = np.searchsorted(
            spans.conversation, np.append(np.flatnonzero(is_stored), len(is_stored))
        )
        domains = pa.nulls(len(batch)) if batch.domains is None else batch.domains
        columns = [
            pa.LargeListArray.from_arrays(row_offsets, spans.packed()),
            pa.array(levels[is_stored]),
            domains.filter(pa.array(is_stored)).cast(pa.string()),
        ]
        held = _Held(place, by_level, pa.record_batch(columns, SCHEMA))
        with self._lock:
            self._waiting.append(held)
            self._bytes += held.rows.nbytes
            is_large = self._bytes > TOGETHER
        if is_large:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory; must be called before a part counts as finished.

        Raises:
            InputError: The disk is full.
        """
        with self._disk:  # one writer at a time
            with self._lock:
                waiting = self._waiting.copy()
            if not waiting:
                return
            name = f"{uuid.uuid4().hex}{BLOCKS}"  # does not overwrite files of an earlier run
            write_atomic(self.folder / name, functools.partial(_write, waiting))
            with self._lock:  # only after a successful write
                del self._waiting[: len(waiting)]
                self._bytes -= sum(held.rows.nbytes for held in waiting)

    def join(self, parts: Collection[str], tokens: int) -> Responses | None:
        """Join the responses on disk, in the order of the corpus.

        Args:
            parts: Keys of the parts that they belong to.
            tokens: Counted tokens of these parts.

        Returns:
            The responses; None when some parts were counted without them, or nothing fits under the
            cap.

        Raises:
            InputError: A file is damaged.
        """
        seen = {place: by_level for place, by_level in self._seen.items() if place[0] in parts}
        if sum(int(by_level.sum()) for by_level in seen.values()) != tokens:
            return None
        level = _level(seen.values(), self.cap)
        rows = {
            held.place: held.from_level(level)
            for path in self.folder.glob(f"*{BLOCKS}")
            for held in _read(path)
            if held.place in seen
        }
        table = pa.Table.from_batches([rows[place] for place in sorted(rows)], SCHEMA)
        return _responses(table, self.vocab_size, level == 0) if len(table) else None


def _write(blocks: list[_Held], file: BinaryIO) -> None:
    with ipc.new_file(file, SCHEMA) as writer:
        for (part, first_row), by_level, rows in blocks:
            metadata = {"part": part, "first_row": str(first_row), "tokens": by_level.tobytes()}
            writer.write_batch(rows, metadata)


def _read(path: Path) -> list[_Held]:
    """Read a file of blocks, mapped into memory.

    Returns:
        What is stored of each block.

    Raises:
        InputError: The file is damaged.
    """
    blocks = []
    try:
        with pa.memory_map(str(path)) as source:
            file = ipc.open_file(source)
            for i in range(file.num_record_batches):
                rows, metadata = file.get_batch_with_custom_metadata(i)
                place = metadata[b"part"].decode(), int(metadata[b"first_row"])
                blocks.append(_Held(place, np.frombuffer(metadata[b"tokens"], np.int64), rows))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold responses of blocks ({error}).") from error
    return blocks


def _responses(rows: pa.Table, vocab_size: int, complete: bool) -> Responses:
    """The responses of the conversations of all blocks."""
    spans = rows["spans"].combine_chunks()
    lengths = np.asarray(spans.value_lengths())
    ids, offsets, conversation = unpacked(spans.flatten(), np.repeat(np.arange(len(rows)), lengths))
    domain = rows["domain"].combine_chunks().dictionary_encode()
    codes = np.asarray(pc.fill_null(domain.indices, -1)).astype(np.int16)
    names = tuple(domain.dictionary.to_pylist())
    return Responses(ids, offsets, conversation, codes, names, vocab_size, complete)


def hash_levels(part: str, rows: np.ndarray) -> np.ndarray:
    """Compute the hash level of each row: the number of zero bits at the end of its hash.

    A row has level l or more with probability 2**-l.

    Args:
        part: Part of the rows.
        rows: int64[n], row numbers in the file.

    Returns:
        uint8[n], 0..LEVELS - 1.
    """
    x = rows.astype(np.uint64) + (np.uint64(binascii.crc32(part.encode())) << np.uint64(32))
    # The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches the low ones.
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    low = x & (~x + np.uint64(1))
    return np.where(low == 0, LEVELS - 1, np.log2(np.maximum(low, 1).astype(float))).astype(
        np.uint8
    )


def _level(by_level: Iterable[np.ndarray], cap: int) -> int:
    """The smallest level from which on all tokens fit under the cap."""
    total = np.sum([np.zeros(LEVELS, np.int64), *by_level], axis=0)
    above = np.cumsum(total[::-1])[::-1]
    return int(np.count_nonzero(above > cap))


# --- kept beside the counts ---------------------------------------------------------------------


def keep_responses(key: str, responses: Responses) -> Path:
    """Save the responses of counts in the workspace.

    Args:
        key: The key of the counts (`TokenCounts.key`).
        responses: Their responses.

    Returns:
        The file.
    """
    return responses.save(_path(key))


def responses_beside(counts_file: str | Path) -> Path:
    """Name the file of the responses that belong to a counts file: X.responses.npz beside X.npz.

    Args:
        counts_file: The counts file.

    Returns:
        The path, whether or not it exists.
    """
    path = Path(counts_file)
    return path.with_name(path.name.removesuffix(".npz") + SUFFIX)


def find_responses(spec: str | Path, counts: TokenCounts) -> Responses | None:
    """Load the responses of counts: from beside their file, else from the workspace.

    Args:
        spec: The counts file, or the key of counts.
        counts: The counts.

    Returns:
        The responses; None when there are none.

    Raises:
        InputError: The file holds the responses of other counts, or is damaged.
    """
    beside = responses_beside(spec)
    path = beside if beside.is_file() else _path(counts.key)
    if not path.is_file():
        return None
    responses = Responses.load(path)
    are_of_counts = (
        responses.vocab_size == counts.vocab_size and (responses.counts() <= counts.counts).all()
    )
    if not are_of_counts or (responses.complete and responses.tokens != counts.tokens):
        raise InputError(f"{path} holds the responses of other counts; remove it or count again.")
    return responses


def _path(key: str) -> Path:
    return workspace.folder("responses") / f"{key}.npz"
