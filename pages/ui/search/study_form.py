"""Bounds, trials and seed of a study."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui.widgets import persisted
from vocabtrim_core.selection_spec.settings import Settings


def form(settings: Settings, vocab_size: int) -> tuple[Settings, int, int]:
    """The study's own bounds, trials and seed; the paper's code by default.

    Args:
        settings: the settings of the trade-off.
        vocab_size: V, the target's number of tokens.
    """
    from vocabtrim_core.tpe import PAPER_SEED, PAPER_TRIALS, paper_bounds

    low, high = paper_bounds(vocab_size)
    fields = (
        ("Smallest k", 1, vocab_size, low, "tpe_min"),
        ("Largest k", 1, vocab_size, high, "tpe_max"),
        ("Trials", 1, 10_000, PAPER_TRIALS, "tpe_trials"),
        ("Seed", 0, 2**32 - 1, PAPER_SEED, "tpe_seed"),
    )
    k_min, k_max, trials, seed = (
        int(column.number_input(title, least, most, start, **persisted(key)))
        for column, (title, least, most, start, key) in zip(st.columns(4), fields, strict=True)
    )
    return replace(settings, k_min=k_min, k_max=k_max), trials, seed
