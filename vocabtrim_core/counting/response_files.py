"""Responses of a corpus collected while it is counted, and kept beside its counts.

A block's responses are one file as soon as the block is counted, so memory holds one block, a
killed count keeps what it has, and what is joined in the end does not depend on who came first.
Of a large corpus a random part of the conversations is held: those whose hash ends in enough zero
bits, as many as make the tokens fit. The hash is of the row, so the part is always the same one.
"""

from __future__ import annotations

import binascii
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from vocabtrim_core import workspace
from vocabtrim_core.counting.responses import Responses, concatenate
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.corpora import MessageBatch
    from vocabtrim_core.counting.response_batch import ResponseBatch
    from vocabtrim_core.counts import TokenCounts

CAP = 20_000_000  # tokens held of one corpus: 80 MB
LEVELS = 64
SUFFIX = ".responses.npz"
BLOCK = ".block.npy"
# Arrays of a block's file, one behind the other: an archive's checksums and directory would take
# more time than the ids themselves.
ARRAYS = ("tokens_by_level", "ids", "spans", "conversation", "levels", "domain", "domains")


class ResponseFiles:
    """The responses of a running count, block by block; safe to call from several threads."""

    def __init__(self, folder: Path, vocab_size: int, cap: int = CAP) -> None:
        self.folder, self.vocab_size, self.cap = folder, vocab_size, cap
        self._lock = threading.Lock()
        self._seen: dict[str, np.ndarray] = {}  # block -> tokens by level, kept or not
        for path in folder.glob(f"*{BLOCK}"):
            try:
                self._seen[path.name] = _load(path)["tokens_by_level"]
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
        number = np.cumsum(kept) - 1
        labels = [] if batch.domains is None else batch.domains.to_pylist()
        domains = sorted({label for label in labels if label is not None})
        codes = [-1 if label is None else domains.index(label) for label in labels]
        domain = np.array(codes or [-1] * len(batch), np.int16)
        arrays = {
            "ids": found.ids,
            "spans": np.diff(found.offsets),
            "conversation": number[found.conversation],
            "levels": levels[kept],
            "domain": domain[kept],
            "domains": np.array(domains, np.str_),
            "tokens_by_level": by_level,
        }

        def write(file: BinaryIO) -> None:
            for array in ARRAYS:
                np.save(file, arrays[array], allow_pickle=False)

        workspace.write_atomic(self.folder / name, write)

    def join(self, parts: Collection[str], tokens: int) -> Responses | None:
        """The responses of these parts in order.

        tokens: how many were counted in them. None when files for some of them are missing, since
        they were counted without, or when one conversation alone is above the cap.
        """
        names = sorted((n for n in self._seen if n.rpartition("@")[0] in parts), key=_place)
        if sum(int(self._seen[name].sum()) for name in names) != tokens:
            return None
        level = _level((self._seen[name] for name in names), self.cap)
        blocks = [_responses(_load(self.folder / name), level, self.vocab_size) for name in names]
        blocks = [block for block in blocks if block.conversations]
        return concatenate(blocks) if blocks else None


def _responses(block: dict[str, np.ndarray], level: int, vocab_size: int) -> Responses:
    """The conversations of a block whose hash has this level or more."""
    keep, spans, of = block["levels"] >= level, block["spans"], block["conversation"]
    inside = keep[of]
    ids = block["ids"] if inside.all() else block["ids"][np.repeat(inside, spans)]
    return Responses(
        ids,
        np.concatenate([[0], np.cumsum(spans[inside])]),
        (np.cumsum(keep) - 1)[of[inside]],
        block["domain"][keep],
        tuple(map(str, block["domains"])),
        vocab_size,
        complete=level == 0,
    )


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


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            return {array: np.load(file, allow_pickle=False) for array in ARRAYS}
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} does not hold responses of a block ({error}).") from error


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
