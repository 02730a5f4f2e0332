"""Responses of a corpus collected while it is counted, and kept beside its counts.

The responses of some blocks are one file, written when they are large enough and before a part that
they belong to is finished. So memory holds little, a killed count keeps what belongs to its
finished parts, and what is joined in the end does not depend on who came first.
Of a large corpus a random part of the conversations is held: those whose hash ends in enough zero
bits, as many as make the tokens fit. The hash is of the row, so the part is always the same one.
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

CAP = 20_000_000  # tokens held of one corpus: 80 MB
LEVELS = 64
SUFFIX = ".responses.npz"
BLOCKS = ".blocks.arrow"
TOGETHER = 8 * 2**20  # bytes of responses in a file, about
# A file is Arrow's own, with a batch for each block: a row for each conversation held, and beside
# it which block it is and how many tokens of each level were counted in it, held or not.
SCHEMA = pa.schema(
    [
        ("spans", pa.large_list(pa.large_binary())),  # the uint32 ids of each
        ("level", pa.uint8()),
        ("domain", pa.string()),
    ]
)
Place = tuple[str, int]  # of a block: its part and first row


class _Held(NamedTuple):
    """What is held of a block, and int64[LEVELS]: its tokens by level."""

    place: Place
    by_level: np.ndarray
    rows: pa.RecordBatch

    def from_level(self, level: int) -> pa.RecordBatch:
        """The conversations whose hash has this level or more."""
        return self.rows.filter(pc.greater_equal(self.rows["level"], level)) if level else self.rows


class ResponseFiles:
    """The responses of a running count, block by block; safe to call from several threads."""

    def __init__(self, folder: Path, vocab_size: int, cap: int = CAP) -> None:
        self.folder, self.vocab_size, self.cap = folder, vocab_size, cap
        self._lock, self._disk = threading.Lock(), threading.Lock()
        self._seen: dict[Place, np.ndarray] = {}  # tokens by level, kept or not
        self._waiting: list[_Held] = []  # for a file
        self._bytes = 0  # of what waits
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
        """Keep what is to be held of one counted block.

        sizes: int64[len(batch)], ids of each conversation.  responses: gives those of the
        conversations wanted (bool[len(batch)]).
        """
        levels, place = hash_levels(part, batch.rows), (part, first_row)
        by_level = np.bincount(levels, sizes, LEVELS).astype(np.int64)
        with self._lock:
            self._seen[place] = by_level
            least = _level(self._seen.values(), self.cap)
        kept = (levels >= least) & (sizes > 0)
        found = responses(kept)
        of = np.searchsorted(found.conversation, np.append(np.flatnonzero(kept), len(kept)))
        domains = pa.nulls(len(batch)) if batch.domains is None else batch.domains
        columns = [
            pa.LargeListArray.from_arrays(of, found.packed()),
            pa.array(levels[kept]),
            domains.filter(pa.array(kept)).cast(pa.string()),
        ]
        held = _Held(place, by_level, pa.record_batch(columns, SCHEMA))
        with self._lock:
            self._waiting.append(held)
            self._bytes += held.rows.nbytes
            enough = self._bytes > TOGETHER
        if enough:
            self.flush()

    def flush(self) -> None:
        """Write what waits: to be called before a part counts as finished."""
        with self._disk:  # so that all is written, whoever writes it
            with self._lock:
                waiting = self._waiting.copy()
            if not waiting:
                return
            name = f"{uuid.uuid4().hex}{BLOCKS}"  # never that of a file of a count before
            write_atomic(self.folder / name, functools.partial(_write, waiting))
            with self._lock:  # now, so that nobody takes for written what could not be
                del self._waiting[: len(waiting)]
                self._bytes -= sum(held.rows.nbytes for held in waiting)

    def join(self, parts: Collection[str], tokens: int) -> Responses | None:
        """The responses of these parts in order, of what is on disk.

        tokens: how many were counted in them. None when files for some of them are missing, since
        they were counted without, or when one conversation alone is above the cap.
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
        held = pa.Table.from_batches([rows[place] for place in sorted(rows)], SCHEMA)
        return _responses(held, self.vocab_size, level == 0) if len(held) else None


def _write(blocks: list[_Held], file: BinaryIO) -> None:
    with ipc.new_file(file, SCHEMA) as writer:
        for (part, first_row), by_level, rows in blocks:
            about = {"part": part, "first_row": str(first_row), "tokens": by_level.tobytes()}
            writer.write_batch(rows, about)


def _read(path: Path) -> list[_Held]:
    """What a file holds, mapped into memory. InputError where it is damaged."""
    held = []
    try:
        with pa.memory_map(str(path)) as source:
            file = ipc.open_file(source)
            for i in range(file.num_record_batches):
                rows, about = file.get_batch_with_custom_metadata(i)
                place = about[b"part"].decode(), int(about[b"first_row"])
                held.append(_Held(place, np.frombuffer(about[b"tokens"], np.int64), rows))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold responses of blocks ({error}).") from error
    return held


def _responses(held: pa.Table, vocab_size: int, complete: bool) -> Responses:
    """Of the conversations of all blocks."""
    spans = held["spans"].combine_chunks()
    lengths = np.asarray(spans.value_lengths())
    ids, offsets, conversation = unpacked(spans.flatten(), np.repeat(np.arange(len(held)), lengths))
    domain = held["domain"].combine_chunks().dictionary_encode()
    codes = np.asarray(pc.fill_null(domain.indices, -1)).astype(np.int16)
    names = tuple(domain.dictionary.to_pylist())
    return Responses(ids, offsets, conversation, codes, names, vocab_size, complete)


def hash_levels(part: str, rows: np.ndarray) -> np.ndarray:
    """uint8[n]: zero bits at the end of each row's hash; level l or more has chance 2**-l."""
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
    """The least level from which on all tokens fit under the cap."""
    total = np.sum([np.zeros(LEVELS, np.int64), *by_level], axis=0)
    above = np.cumsum(total[::-1])[::-1]
    return int(np.count_nonzero(above > cap))


# --- kept beside the counts ---------------------------------------------------------------------


def keep_responses(key: str, responses: Responses) -> Path:
    """Keep the responses of the counts with this key (`TokenCounts.key`) in the workspace."""
    return responses.save(_path(key))


def responses_beside(counts_file: str | Path) -> Path:
    """Where the responses of a counts file lie when they travel with it: X.responses.npz."""
    path = Path(counts_file)
    return path.with_name(path.name.removesuffix(".npz") + SUFFIX)


def find_responses(spec: str | Path, counts: TokenCounts) -> Responses | None:
    """The responses of counts: beside their file, else in the workspace; None without.

    InputError when the file beside the counts is of other counts.
    """
    beside = responses_beside(spec)
    path = beside if beside.is_file() else _path(counts.key)
    if not path.is_file():
        return None
    found = Responses.load(path)
    fits = found.vocab_size == counts.vocab_size and (found.counts() <= counts.counts).all()
    if not fits or (found.complete and found.tokens != counts.tokens):
        raise InputError(f"{path} holds the responses of other counts; remove it or count again.")
    return found


def _path(key: str) -> Path:
    return workspace.folder("responses") / f"{key}.npz"
