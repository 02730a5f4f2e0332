"""Trim the head, store it in fewer bits, or both: bytes a cycle reads over k."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.forecast.settings import HEAD_BYTES


class HeadBytes(NamedTuple):
    """Bytes of head that one cycle reads.

    Attributes:
        k: int64[n], rows.
        by_format: Name of a format -> float64[n] bytes.
        full: Bytes of all V rows in bf16.
    """

    k: np.ndarray
    by_format: dict[str, np.ndarray]
    full: float


def head_bytes(architecture: DraftArchitecture, depth: int, ks: np.ndarray) -> HeadBytes:
    """What each format reads at each size.

    Args:
        architecture: Shapes of the draft.
        depth: Drafted tokens per cycle.
        ks: int64[n], sizes.

    Returns:
        Bytes per cycle.
    """
    row = architecture.row_reads(depth)
    return HeadBytes(
        ks,
        {
            name: row * bytes_per_weight * ks.astype(float)
            for name, bytes_per_weight in HEAD_BYTES.items()
        },
        row * HEAD_BYTES["bf16"] * architecture.vocab_size,
    )


def same_bytes(k: int, vocab_size: int) -> dict[str, int]:
    """Compute how many rows of each format take as many bytes as k rows in bf16.

    Args:
        k: Rows in bf16.
        vocab_size: V.

    Returns:
        Name of a format to its rows, at most V.
    """
    return {
        name: min(vocab_size, int(k * HEAD_BYTES["bf16"] / bytes_per_weight))
        for name, bytes_per_weight in HEAD_BYTES.items()
    }
