"""Take rows out of a stored head, bit for bit, in whatever layout it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vocabtrim_core.drafts.mtp.layouts import HeadMatrix, TensorPart
from vocabtrim_core.drafts.tensor_files import BLOCK, TensorToWrite, from_file, from_rows
from vocabtrim_core.errors import InputError

# AWQ: bits 4 * i of an int32 hold the row AWQ_ORDER[i] of its eight.
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def rows_to_write(head: HeadMatrix, ids: np.ndarray, name: str) -> list[TensorToWrite]:
    """Prepare to write some rows of a head as a head of their own.

    Args:
        head: The head.
        ids: int64[k], its rows in the order to write them.
        name: The new layer's name.

    Returns:
        One tensor for each of the head's parts, to be streamed from the file.

    Raises:
        InputError: Rows of this layout cannot be taken apart in this way; the message says why.
    """
    check_rows(head, ids)
    return [_part(head, part, ids, f"{name}.{part.suffix}") for part in head.parts]


def check_rows(head: HeadMatrix, ids: np.ndarray) -> None:
    """Check that rows can be taken out of a head bit for bit.

    Args:
        head: The head.
        ids: int64[k], the rows.

    Raises:
        InputError: A row is outside, or the layout does not allow it; the message says why.
    """
    if len(ids) and (ids.min() < 0 or ids.max() >= head.rows):
        bad = int(ids[(ids < 0) | (ids >= head.rows)][0])
        raise InputError(f"{head.name} has {head.rows:,} rows, none for the token id {bad:,}.")
    for part in head.parts:
        if part.bits and part.place != "none" and len(ids) % part.packed:
            add = -len(ids) % part.packed
            raise InputError(
                f"{head.name}.{part.suffix} packs {part.packed} rows in one number ({head.layout}),"
                f" so k must be a multiple of {part.packed}, not {len(ids):,}; add {add} tokens "
                f"or keep {part.packed - add} fewer."
            )
        if part.place == "blocks" and not _whole_blocks(ids, part.block):
            raise InputError(
                f"{head.name} has one scale for {part.block} rows each ({head.layout}), so its "
                "rows keep their values only in whole blocks; use a list that the engine slices "
                "itself (mtp-ids), a head in bf16 or with a scale per row, or keep whole blocks "
                f"of {part.block} ids (`ranges --multiple {part.block}`)."
            )


def _whole_blocks(ids: np.ndarray, block: int) -> bool:
    """Whether each block of the new head has rows of one block of the old one only."""
    owners = ids // block
    firsts = np.repeat(owners[::block], block)[: len(ids)]
    return bool((owners == firsts).all())


def _part(head: HeadMatrix, part: TensorPart, ids: np.ndarray, name: str) -> TensorToWrite:
    tensor = part.tensor
    if part.place == "rows":
        return from_rows(tensor, name, ids)
    if part.place == "blocks":
        return from_rows(tensor, name, ids[:: part.block] // part.block)
    if part.place == "shape":
        shape = np.array([len(ids), head.width], {"I64": "<i8", "I32": "<i4"}[tensor.dtype])
        data = shape.view(np.uint8)
        return TensorToWrite(name, tensor.dtype, tensor.shape, len(data), lambda: iter([data]))
    if part.place == "none":
        return replace(from_file(tensor), name=name)
    if part.place == "columns":
        return _columns(part, ids, name)
    return _repacked(part, ids, name)


def _columns(part: TensorPart, ids: np.ndarray, name: str) -> TensorToWrite:
    tensor = part.tensor
    lines, count = tensor.shape
    matrix = tensor.data.reshape(lines, count, -1)
    width = matrix.shape[2]
    step = max(1, BLOCK // max(count * width, 1))

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, lines, step):
            yield np.ascontiguousarray(matrix[start : start + step][:, ids])

    return TensorToWrite(name, tensor.dtype, (lines, len(ids)), lines * len(ids) * width, pieces)


def _repacked(part: TensorPart, ids: np.ndarray, name: str) -> TensorToWrite:
    """Take packed rows apart, choose, and pack again; the entries' bits stay what they are."""
    tensor, new = part.tensor, len(ids) // part.packed
    along_rows = part.place == "packed rows"
    values = tensor.data.view("<u4").reshape(tensor.shape)
    lines = values.T if along_rows else values
    order = AWQ_ORDER if part.place == "awq columns" else range(part.packed)
    shifts = np.empty(part.packed, np.uint32)
    shifts[list(order)] = np.arange(part.packed, dtype=np.uint32) * part.bits
    # One zero point per row and group is small; it is packed anew in one piece.
    step = len(lines) if along_rows else max(1, BLOCK // max(8 * len(ids), 1))

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, len(lines), step):
            block = np.ascontiguousarray(lines[start : start + step])
            taken = block[:, ids // part.packed] >> shifts[ids % part.packed]
            taken &= np.uint32(2**part.bits - 1)
            grouped = taken.reshape(len(block), new, part.packed) << shifts
            packed = np.bitwise_or.reduce(grouped, axis=2).astype("<u4")
            yield np.ascontiguousarray(packed.T if along_rows else packed)

    shape = (new, tensor.shape[1]) if along_rows else (tensor.shape[0], new)
    return TensorToWrite(name, tensor.dtype, shape, 4 * shape[0] * shape[1], pieces)
