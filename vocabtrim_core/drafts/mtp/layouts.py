"""How the rows of a head lie in its tensors: plain, fp8, packed integers, blocks.

A linear layer is one tensor or several: quantised weights have scales, zero points and a shape
beside them. Each of these is a `TensorPart` that says where the rows of the head are in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vocabtrim_core.drafts.tensor_files import FLOATS, StoredTensor
from vocabtrim_core.errors import InputError

# Where the head's rows are in a tensor: along its first or last axis, one by one or several packed
# in an int32 (AWQ packs them in an order of its own), in blocks that share a scale, or nowhere.
Axis = Literal["rows", "columns", "packed rows", "packed columns", "awq columns", "blocks"]
Place = Axis | Literal["none", "shape"]
INT32 = ("I32", "U32")
FP8 = ("F8_E4M3", "F8_E5M2")
SCALES = ("weight_scale", "weight_scale_inv")
AWQ_BITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class TensorPart:
    """One tensor of a head.

    Attributes:
        suffix: The last part of its name, such as "weight_packed".
        tensor: The tensor, in its file.
        place: Where the head's rows are in it.
        bits: Bits of a packed entry; 0 where nothing is packed.
        block: Rows that share a scale, for the place "blocks"; else 0.
    """

    suffix: str
    tensor: StoredTensor
    place: Place
    bits: int = 0
    block: int = 0

    @property
    def packed(self) -> int:
        """Rows in one int32, or rows that share a scale; 1 where they are apart."""
        return 32 // self.bits if self.bits else self.block or 1


@dataclass(frozen=True, slots=True, eq=False)
class HeadMatrix:
    """A head, or an embedding, as it is stored.

    Attributes:
        name: The name of its layer, such as "lm_head".
        layout: What it is called, for people.
        rows: V.
        width: H.
        parts: Its tensors.
    """

    name: str
    layout: str
    rows: int
    width: int
    parts: tuple[TensorPart, ...]

    @property
    def dtype(self) -> str:
        """The type of its largest tensor."""
        return max(self.parts, key=lambda part: part.tensor.size).tensor.dtype

    @property
    def bytes(self) -> int:
        """Its size with scales and zero points."""
        return sum(part.tensor.size for part in self.parts)

    def bytes_of(self, k: int) -> int:
        """Its size with k rows.

        Args:
            k: Rows.

        Returns:
            Bytes, those of tensors without rows included.
        """
        size = 0
        for part in self.parts:
            whole = part.tensor.size
            if part.place in ("none", "shape"):
                size += whole
            else:
                groups = -(-self.rows // part.packed)
                size += whole // groups * -(-k // part.packed)
        return size


def head_matrix(
    tensors: Mapping[str, StoredTensor], name: str, width: int, rows: int | None = None
) -> HeadMatrix:
    """Recognise the layout of a head.

    Args:
        tensors: The tensors of the model, by name.
        name: The layer's name, without ".weight".
        width: H.
        rows: V, where it is known.

    Returns:
        The head.

    Raises:
        InputError: There is no such layer, or its layout is not one whose rows can be told apart.
    """
    own = {n[len(name) + 1 :]: t for n, t in tensors.items() if n.startswith(f"{name}.")}
    if "qweight" in own:
        return _integers(name, own, width, rows)
    if "weight_packed" in own:
        return _compressed(name, own, width)
    weight = own.get("weight")
    if weight is None or len(weight.shape) != 2:
        stored = ", ".join(sorted(own)[:5]) or "no tensor at all"
        raise InputError(
            f"{name} is stored as {stored}, a layout whose rows cannot be told apart; take the "
            "head of a checkpoint in bf16, fp8, compressed-tensors, GPTQ, AWQ or GGUF."
        )
    others = {suffix: tensor for suffix, tensor in own.items() if suffix != "weight"}
    if weight.dtype in FLOATS and weight.shape[1] == width:
        return _with_rows(name, weight.dtype.lower(), weight, others, width)
    if weight.dtype in FP8 and weight.shape[1] == width:
        return _fp8(name, weight, others)
    # NVFP4 and MXFP4 (U8), MLX (U32): several entries of one row in each element.
    if weight.dtype in ("U8", "I8", *INT32) and weight.shape[1] < width and others:
        kind = "MLX" if "biases" in others else "4-bit floats" if weight.dtype == "U8" else "packed"
        return _with_rows(name, kind, weight, others, width)
    if weight.dtype == "I8" and weight.shape[1] == width:
        return _with_rows(name, "int8", weight, others, width)
    raise InputError(
        f"{name}.weight is {weight.dtype} of shape {list(weight.shape)} for a width of {width:,}; "
        "its rows cannot be told apart."
    )


def _with_rows(
    name: str, layout: str, weight: StoredTensor, others: Mapping[str, StoredTensor], width: int
) -> HeadMatrix:
    """A head whose tensors have a row for each token, or none at all (one scale for all)."""
    rows = weight.shape[0]
    parts = [TensorPart("weight", weight, "rows")]
    for suffix, tensor in others.items():
        parts.append(TensorPart(suffix, tensor, _rows_or_none(name, suffix, tensor, rows)))
    return HeadMatrix(name, layout, rows, width, tuple(parts))


def _rows_or_none(name: str, suffix: str, tensor: StoredTensor, rows: int) -> Place:
    if math.prod(tensor.shape) == 1 and rows != 1:
        return "none"
    if tensor.shape and tensor.shape[0] == rows:
        return "rows"
    raise InputError(
        f"{name}.{suffix} has shape {list(tensor.shape)}, which is neither one value nor a row for "
        f"each of the {rows:,} rows of the head; its rows cannot be told apart."
    )


def _fp8(name: str, weight: StoredTensor, others: Mapping[str, StoredTensor]) -> HeadMatrix:
    rows, width = weight.shape
    parts, layout = [TensorPart("weight", weight, "rows")], "fp8"
    for suffix, tensor in others.items():
        blocks = len(tensor.shape) == 2 and 1 < tensor.shape[0] < rows
        if suffix in SCALES and blocks:
            block = _block_rows(name, suffix, rows, tensor.shape[0])
            parts.append(TensorPart(suffix, tensor, "blocks", block=block))
            layout = f"fp8, scales of {block} rows"
        else:
            place = _rows_or_none(name, suffix, tensor, rows)
            parts.append(TensorPart(suffix, tensor, place))
            if suffix in SCALES:
                layout = "fp8, a scale per row" if place == "rows" else "fp8, one scale"
    return HeadMatrix(name, layout, rows, width, tuple(parts))


def _block_rows(name: str, suffix: str, rows: int, blocks: int) -> int:
    """Rows of a block; a power of two, of which `blocks` cover the rows."""
    for exponent in range(1, 13):
        if -(-rows // 2**exponent) == blocks:
            return 2**exponent
    raise InputError(f"{name}.{suffix} has {blocks:,} blocks for {rows:,} rows, which do not fit.")


def _compressed(name: str, own: Mapping[str, StoredTensor], width: int) -> HeadMatrix:
    """compressed-tensors: packed along the width; zero points are packed along the rows."""
    packed = own["weight_packed"]
    if len(packed.shape) != 2:
        raise InputError(f"{name}.weight_packed has shape {list(packed.shape)}, not rows of bytes.")
    rows = packed.shape[0]
    per_byte = packed.shape[1] * (4 if packed.dtype in INT32 else 1)
    bits = per_byte * 8 // width
    parts = []
    for suffix, tensor in own.items():
        if suffix == "weight_shape":
            if len(tensor.data) and tensor.integers().tolist() != [rows, width]:
                raise InputError(
                    f"{name}.weight_shape says {tensor.integers().tolist()}, but its packed rows "
                    f"are {rows:,} x {width:,}; the checkpoint is damaged."
                )
            parts.append(TensorPart(suffix, tensor, "shape"))
        elif suffix == "weight_zero_point" and tensor.dtype in INT32 and tensor.shape[0] != rows:
            _check_groups(name, suffix, tensor.shape[0], rows, 32 // bits)
            parts.append(TensorPart(suffix, tensor, "packed rows", bits))
        elif suffix == "weight_g_idx":
            parts.append(TensorPart(suffix, tensor, "none"))
        else:
            parts.append(TensorPart(suffix, tensor, _rows_or_none(name, suffix, tensor, rows)))
    layout = f"compressed-tensors int{bits}" if packed.dtype in INT32 else "compressed-tensors fp4"
    return HeadMatrix(name, layout, rows, width, tuple(parts))


def _integers(
    name: str, own: Mapping[str, StoredTensor], width: int, rows: int | None
) -> HeadMatrix:
    """GPTQ and AutoRound pack along the width; AWQ packs along the rows. Rows are columns."""
    qweight, scales = own["qweight"], own.get("scales")
    if scales is None or len(qweight.shape) != 2 or len(scales.shape) != 2:
        raise InputError(f"{name} has a qweight without scales beside it; the head is incomplete.")
    count = scales.shape[1]
    if rows not in (None, count):
        raise InputError(f"{name}.scales has {count:,} columns for {rows:,} tokens.")
    is_awq = qweight.shape == (width, count * AWQ_BITS // 32)
    bits = AWQ_BITS if is_awq else 32 * qweight.shape[0] // width
    if not is_awq and (qweight.shape != (width * bits // 32, count) or bits not in (2, 4, 8)):
        raise InputError(
            f"{name}.qweight has shape {list(qweight.shape)} for {width:,} x {count:,}, which is "
            "neither GPTQ of 2, 4 or 8 bits nor AWQ of 4 bits; its rows cannot be told apart."
        )
    if is_awq and qweight.shape == (width * bits // 32, count):
        raise InputError(f"{name}.qweight can be read as GPTQ or as AWQ; it is not taken apart.")
    parts = []
    for suffix, tensor in own.items():
        if suffix == "g_idx":
            parts.append(TensorPart(suffix, tensor, "none"))
        elif suffix == "bias":
            parts.append(TensorPart(suffix, tensor, _rows_or_none(name, suffix, tensor, count)))
        elif suffix == "scales" or (suffix == "qweight" and not is_awq):
            parts.append(TensorPart(suffix, tensor, "columns"))
        elif suffix in ("qweight", "qzeros"):
            _check_groups(name, suffix, tensor.shape[-1], count, 32 // bits)
            place = "awq columns" if is_awq else "packed columns"
            parts.append(TensorPart(suffix, tensor, place, bits))
        else:
            raise InputError(f"{name}.{suffix} belongs to a layout that is not known here.")
    return HeadMatrix(
        name, f"AWQ int{bits}" if is_awq else f"GPTQ int{bits}", count, width, tuple(parts)
    )


def _check_groups(name: str, suffix: str, stored: int, rows: int, packed: int) -> None:
    if stored != -(-rows // packed):
        raise InputError(
            f"{name}.{suffix} has {stored:,} groups of {packed} for {rows:,} rows; the two do not "
            "fit together."
        )
