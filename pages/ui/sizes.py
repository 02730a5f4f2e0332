"""Sizes of a draft vocabulary that the pages offer: stops of the slider, and the known ones."""

from __future__ import annotations

import streamlit as st

from vocabtrim_core.forecast.paper import known_sizes


@st.cache_data(show_spinner=False)
def slider_sizes(vocab_size: int) -> list[int]:
    """Stops of the size slider: 0 (the optimum), then 64 .. V on a log scale, with the presets.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    steps = 160
    grid = {round(64 * (vocab_size / 64) ** (i / steps)) for i in range(steps + 1)}
    rounded = {round(k, 2 - len(str(k))) for k in grid if k < vocab_size}
    marks = {k for k, _ in presets(vocab_size)}
    return [0, *sorted({k for k in rounded if 64 <= k < vocab_size} | marks)]


def presets(vocab_size: int) -> list[tuple[int, str]]:
    """The marked sizes below V, and V itself.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    return [*known_sizes(vocab_size), (vocab_size, "all")]


def nearest_size(k: int | None, vocab_size: int) -> int:
    """The slider stop nearest to k on the log scale.

    Args:
        k: size of the draft vocabulary, in tokens.
        vocab_size: V, the target's number of tokens.
    """
    stops = slider_sizes(vocab_size)
    return min(stops[1:], key=lambda stop: abs(stop / k - 1)) if k else 0
