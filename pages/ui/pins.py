"""Pinned choices: kept beside each other and compared with the first, or with any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from pages.ui import state, tables
from pages.ui.format import plain
from pages.ui.session import session
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.fields.kinds import percent_of
from vocabtrim_core.selection_spec.settings import Pin, Settings
from vocabtrim_core.tradeoff import Choice


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pin and the choice that its settings make."""

    pin: Pin
    choice: Choice

    @property
    def title(self) -> str:
        """How it is named in the list of baselines."""
        return f"{self.choice.k:,} on {self.pin.name}"


def chosen(pins: Sequence[Pin]) -> list[Pinned]:
    """The pins with their choices, without those whose counts are no longer here.

    Args:
        pins: pinned settings.
    """
    sets = {stored.key: stored for stored in state.counted_sets()}
    choices = []
    for pin in pins:
        if stored := sets.get(pin.counts):
            tradeoff = state.tradeoff_of(pin.settings, state.curve_of(stored))
            k = pin.settings.k
            choices.append(Pinned(pin, tradeoff.at(k) if k else tradeoff.optimum))
    return choices


def pin(stored: StoredCounts, settings: Settings, choice: Choice) -> None:
    """Keep a choice, once, and say so.

    Args:
        stored: the counted set in view.
        settings: the settings in view.
        choice: the choice that the settings make.
    """
    new_pin = Pin(stored.key, stored.counts.name, settings)
    if new_pin not in session.pins:
        session.pins = (*session.pins, new_pin)
    title = Pinned(new_pin, choice).title
    st.toast(f"Pinned {plain(title)}; compare under Pinned choices.", icon=":material/keep:")


def unpin_all() -> None:
    """Forget every pin."""
    session.pins = ()


def table(pins: list[Pinned], baseline: Pinned) -> pd.DataFrame:
    """The pins with their differences from `baseline`; shares in percent, differences in points.

    Args:
        pins: pinned settings.
        baseline: the pin that the others are compared with.
    """
    first = baseline.choice
    return pd.DataFrame(
        [
            {
                "Counted set": p.pin.name,
                "Size k": p.choice.k,
                "vs baseline": p.choice.k - first.k,
                "Coverage": 100 * p.choice.coverage,
                "Δ coverage": 100 * (p.choice.coverage - first.coverage),
                "FLOPs saved": 100 * p.choice.latency_reduction,
                "Δ saved": 100 * (p.choice.latency_reduction - first.latency_reduction),
                "Utility": p.choice.utility,
                "LM head": p.pin.settings.architecture.head_bytes(p.choice.k) / 1e6,
                "alpha": p.pin.settings.alpha,
                "Floor": percent_of(p.pin.settings.floor),
                "Draft": p.pin.settings.architecture.name,
            }
            for p in pins
        ]
    )


def panel() -> None:
    """The comparison, or how to start one."""
    pins = chosen(session.pins)
    if gone := len(session.pins) - len(pins):
        st.caption(f"{gone} more cannot be shown: their counts are not in this workspace any more.")
    if not pins:
        st.caption("Nothing is pinned yet. Pin a choice to compare it with the next one.")
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    titles = [p.title for p in pins]
    base = left.selectbox(
        "Compared with", range(len(pins)), format_func=titles.__getitem__, key="pin_base"
    )
    right.button(
        "Remove all pins",
        key="unpin",
        icon=":material/delete:",
        on_click=unpin_all,
        type="tertiary",
    )
    tables.table(
        table(pins, pins[base or 0]).style.format({"vs baseline": "{:+,} tokens"}),
        "Pinned choices and their differences from the baseline",
        {
            "Size k": (tables.WHOLE, "tokens"),
            "Coverage": ("%.2f%%", "measured, of the counted tokens"),
            "Δ coverage": "%+.2f pt",
            "FLOPs saved": ("%.1f%%", "estimated, per draft step"),
            "Δ saved": "%+.1f pt",
            "Utility": ("%.4f", "at its own alpha"),
            "LM head": ("%.1f MB", "estimated, weights at two bytes"),
            "alpha": "%.2f",
            "Floor": "%g%%",
        },
    )
