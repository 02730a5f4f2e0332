"""Pinned choices: kept beside each other and compared with the first, or with any other."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from pages.ui.state import Settings
from pages.ui.words import plain
from vocabtrim_core.tradeoff import Choice, TradeOff


@dataclass(frozen=True, slots=True)
class Pin:
    """One choice with the settings that led to it."""

    counts_key: str
    counts_name: str
    settings: Settings
    choice: Choice
    head_bytes: int

    @property
    def title(self) -> str:
        """How it is named in the list of baselines."""
        return f"{self.choice.k:,} on {self.counts_name}"


def pinned() -> list[Pin]:
    """This session's pins, in the order they were made."""
    return st.session_state.setdefault("pins", [])


def pin(counts_key: str, name: str, settings: Settings, choice: Choice, tradeoff: TradeOff) -> None:
    """Keep a choice, once, and say so."""
    made = Pin(counts_key, name, settings, choice, tradeoff.architecture.head_bytes(choice.k))
    if made not in pinned():
        pinned().append(made)
    st.toast(f"Pinned {plain(made.title)}; compare under Pinned choices.", icon=":material/keep:")


def unpin_all() -> None:
    """Forget every pin."""
    st.session_state.pins = []


def table(pins: list[Pin], baseline: Pin) -> pd.DataFrame:
    """The pins with their differences from `baseline`; shares in percent, differences in points."""
    first = baseline.choice
    return pd.DataFrame(
        [
            {
                "Counted set": p.counts_name,
                "Size k": p.choice.k,
                "vs baseline": p.choice.k - first.k,
                "Coverage": 100 * p.choice.coverage,
                "Δ coverage": 100 * (p.choice.coverage - first.coverage),
                "FLOPs saved": 100 * p.choice.latency_reduction,
                "Δ saved": 100 * (p.choice.latency_reduction - first.latency_reduction),
                "Utility": p.choice.utility,
                "LM head": p.head_bytes / 1e6,
                "alpha": p.settings.alpha,
                "Floor": p.settings.floor,
                "Draft": p.settings.draft,
            }
            for p in pins
        ]
    )


def panel() -> None:
    """The comparison, or how to start one."""
    pins = pinned()
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
    number = st.column_config.NumberColumn
    st.dataframe(
        table(pins, pins[base or 0]).style.format({"vs baseline": "{:+,} tokens"}),
        hide_index=True,
        alt="Pinned choices and their differences from the baseline",
        column_config={
            "Size k": number(format="localized", help="tokens"),
            "Coverage": number(format="%.2f%%", help="measured, of the counted tokens"),
            "Δ coverage": number(format="%+.2f pt"),
            "FLOPs saved": number(format="%.1f%%", help="estimated, per draft step"),
            "Δ saved": number(format="%+.1f pt"),
            "Utility": number(format="%.4f", help="at its own alpha"),
            "LM head": number(format="%.1f MB", help="estimated, weights at two bytes"),
            "alpha": number(format="%.2f"),
            "Floor": number(format="%g%%"),
        },
    )  # fmt: skip
