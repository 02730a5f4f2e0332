"""Responses of a corpus collected while it is counted, and kept beside its counts.

A block's responses are one file as soon as the block is counted, so memory holds one block, a
killed count keeps what it has, and what is joined in the end does not depend on who came first.
Of a large corpus a random part of the conversations is held: those whose hash ends in enough zero
bits, as many as make the tokens fit. The hash is of the row, so the part is always the same one.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
from __future__ import annotations

import binascii
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

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
BLOCK = ".block.arrow"
# A block's file is Arrow's own: a row for each conversation held, and for the whole block how many
# tokens of each level were counted in it, held or not.
SCHEMA = pa.schema(
    [
        ("spans", pa.large_list(pa.large_binary())),  # the uint32 ids of each
        ("level", pa.uint8()),
        ("domain", pa.string()),
    ]
)
BY_LEVEL = b"tokens_by_level"


class ResponseFiles:
    """The responses of a running count, block by block; safe to call from several threads."""

    def __init__(self, folder: Path, vocab_size: int, cap: int = CAP) -> None:
        self.folder, self.vocab_size, self.cap = folder, vocab_size, cap
        self._lock = threading.Lock()
        self._seen: dict[str, np.ndarray] = {}  # block -> tokens by level, kept or not
        for path in folder.glob(f"*{BLOCK}"):
            try:
                self._seen[path.name] = _read(path, LEVELS)[1]
            except InputError:
                path.unlink(missing_ok=True)  # damaged: its block is counted again

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
        levels = hash_levels(part, batch.rows)
        by_level = np.bincount(levels, sizes, LEVELS).astype(np.int64)
        name = f"{part}@{first_row}{BLOCK}"
        with self._lock:
            self._seen[name] = by_level
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
        held = pa.record_batch(columns, SCHEMA.with_metadata({BY_LEVEL: by_level.tobytes()}))

        def write(file: BinaryIO) -> None:
            with ipc.new_file(file, held.schema) as writer:
                writer.write(held)

        write_atomic(self.folder / name, write)

    def join(self, parts: Collection[str], tokens: int) -> Responses | None:
        """The responses of these parts in order.

        tokens: how many were counted in them. None when files for some of them are missing, since
        they were counted without, or when one conversation alone is above the cap.
        """
        names = sorted((n for n in self._seen if n.rpartition("@")[0] in parts), key=_place)
        if sum(int(self._seen[name].sum()) for name in names) != tokens:
            return None
        level = _level((self._seen[name] for name in names), self.cap)
        held = pa.concat_tables(_read(self.folder / name, level)[0] for name in names)
        return _responses(held, self.vocab_size, level == 0) if len(held) else None


def _read(path: Path, level: int) -> tuple[pa.Table, np.ndarray]:
    """(conversations whose hash has this level or more, tokens by level) of a block's file."""
    try:
        with pa.memory_map(str(path)) as file:
            table = ipc.open_file(file).read_all()
        by_level = np.frombuffer(table.schema.metadata[BY_LEVEL], np.int64)
    except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise InputError(f"{path} does not hold responses of a block ({error}).") from error
    table = table.replace_schema_metadata()
    return table.filter(pc.greater_equal(table["level"], level)) if level else table, by_level


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
    total = sum(by_level, np.zeros(LEVELS, np.int64))
    above = np.cumsum(total[::-1])[::-1]
    return int(np.count_nonzero(above > cap))


def _place(name: str) -> tuple[str, int]:
    part, _, rest = name.rpartition("@")
    return part, int(rest.removesuffix(BLOCK))


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
