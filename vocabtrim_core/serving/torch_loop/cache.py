"""Keys and values of a sequence, in memory that is allocated once.

The mask of a forward pass hides all rows after its positions, and the pass overwrites the rows at
its positions. So rejected tokens need not be removed, and every pass can have the same shapes, as a
CUDA graph needs.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import StaticLayer


class Place:
    """The positions of a forward pass, shared by the caches of all layers.

    Attributes:
        positions: int64[n] on the device, the positions of the pass's tokens.
        visible: Rows of the caches that the pass reads, at least the last position + 1.
    """

    def __init__(self) -> None:
        self.positions = torch.empty(0, dtype=torch.long)
        self.visible = 0

    def set(self, positions: torch.Tensor, visible: int) -> None:
        """Set both before a forward pass.

        Args:
            positions: int64[n] on the device.
            visible: Rows of the caches that the pass reads.
        """
        self.positions, self.visible = positions, visible

    def mask(self) -> torch.Tensor:
        """The causal mask, bool[1, 1, n, visible]: True for rows up to the token's position."""
        rows = torch.arange(self.visible, device=self.positions.device)
        return (rows <= self.positions[:, None])[None, None]


class Rewindable(StaticLayer):
    """The cache of one layer; keys and values are [B, heads, length, head_dim].

    Args:
        place: The positions of the next forward pass.
        length: Number of rows.
    """

    def __init__(self, place: Place, length: int) -> None:
        super().__init__(length)
        self.place = place

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate the cache with zeros, since masked rows still take part in products.

        Args:
            key_states: [B, heads, n, head_dim], for shape, dtype and device.
            value_states: [B, heads, n, head_dim], likewise.
        """
        batch, heads, _, width = key_states.shape
        self.keys = key_states.new_zeros(batch, heads, self.max_cache_len, width)
        self.values = value_states.new_zeros(
            batch, heads, self.max_cache_len, value_states.shape[3]
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write keys and values at the positions of the forward pass.

        Args:
            key_states: [B, heads, n, head_dim].
            value_states: [B, heads, n, head_dim].
            *args: Ignored; part of the interface of transformers.
            **kwargs: Ignored, likewise.

        Returns:
            Keys and values of the visible rows, [B, heads, visible, head_dim] each.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        self.keys.index_copy_(2, self.place.positions, key_states)
        self.values.index_copy_(2, self.place.positions, value_states)
        visible = self.place.visible
        return self.keys[:, :, :visible], self.values[:, :, :visible]
