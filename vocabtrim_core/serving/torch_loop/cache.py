"""Keys and values of a sequence, in memory that is allocated once and rewound by writing over it.

Rows behind the position that a forward pass begins at are never read, because its mask ends there;
so rejected tokens need no removal, and every pass has the shapes that a CUDA graph wants.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import StaticLayer


class Place:
    """Where the tokens of a forward pass stand.

    positions: int64[n], on the device.  visible: rows of the caches that the pass looks at, no
    fewer than the last position + 1.
    """

    def __init__(self) -> None:
        self.positions = torch.empty(0, dtype=torch.long)
        self.visible = 0

    def set(self, positions: torch.Tensor, visible: int) -> None:
        """Before every forward pass."""
        self.positions, self.visible = positions, visible

    def mask(self) -> torch.Tensor:
        """bool[1, 1, n, visible]: each token sees itself and what stands before it."""
        rows = torch.arange(self.visible, device=self.positions.device)
        return (rows <= self.positions[:, None])[None, None]


class Rewindable(StaticLayer):
    """The cache of one layer, `length` rows. Keys and values: [B, heads, rows, head_dim]."""

    def __init__(self, place: Place, length: int) -> None:
        super().__init__(length)
        self.place = place

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Zeros, since what is masked still takes part in products."""
        batch, heads, _, width = key_states.shape
        self.keys = key_states.new_zeros(batch, heads, self.max_cache_len, width)
        self.values = value_states.new_zeros(
            batch, heads, self.max_cache_len, value_states.shape[3]
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write at the place's positions; returns its visible rows."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        self.keys.index_copy_(2, self.place.positions, key_states)
        self.values.index_copy_(2, self.place.positions, value_states)
        visible = self.place.visible
        return self.keys[:, :, :visible], self.values[:, :, :visible]
