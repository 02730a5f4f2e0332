"""How long drafts are accepted: depth, the length of the full draft, lengths that were measured."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.session import session
from pages.ui.widgets import linked
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.ceiling import MAX_DEPTH
from vocabtrim_core.forecast.inputs import PAPER_DEPTH, paper_length


def _depth_moved() -> None:
    session.tau = round(paper_length(session.depth), 2)


def depth() -> int:
    """The draft tokens of a cycle."""
    return st.slider(
        "Draft depth K",
        1,
        MAX_DEPTH,
        PAPER_DEPTH,
        **linked("depth"),
        on_change=_depth_moved,
        help="Tokens drafted per verification. The paper's cycle times and lengths imply 3.",
    )


def full_length(depth: int) -> float | None:
    """Acceptance length of the draft with all tokens; None where it is left at the paper's.

    Args:
        depth: draft tokens of a cycle.
    """
    start = round(paper_length(depth), 2)
    current = session.tau
    if current is not None and not 1 <= current <= depth + 1:
        session.tau = start
    value = st.slider(
        "Acceptance length with all tokens",
        1.0,
        float(depth + 1),
        start,
        0.01,
        **linked("tau"),
        help="Tokens per verification of the full-vocabulary draft, the "
        "target's own included. Left at the start, the paper's on MT-Bench (2.89 at depth 3), it "
        "is an assumption, and the band holds the paper's other tasks too.",
    )
    return None if value == start else value


def of_opened(depth: int, full_length: float | None) -> dict[str, Any]:
    """What only an opened choice says of the full draft, as long as its depth and length stand.

    Args:
        depth: draft tokens of a cycle.
        full_length: acceptance length of the draft with all tokens.
    """
    opened = session.opened_forecast
    if opened is None or opened.depth != depth or full_length is None:
        return {}
    if abs((opened.full_length or 0.0) - full_length) > 0.006:
        return {}
    if opened.rates:
        shares = ", ".join(f"{rate:.2f}" for rate in opened.rates)
        st.caption(f"Acceptance per position, from the opened choice: {shares}.")
    if opened.full_range:
        least, most = opened.full_range
        st.caption(
            f"The opened choice takes the length with all tokens to be {full_length:.2f}, between "
            f"{least:.2f} and {most:.2f}."
        )
    return {
        "full_length": opened.full_length,
        "rates": opened.rates,
        "full_range": opened.full_range,
        "length_noise": opened.length_noise,
    }


def measured(vocab_size: int) -> dict[int, float]:
    """Acceptance lengths the user measured at some k; they narrow the interval.

    Args:
        vocab_size: V of the target.
    """
    opened = session.opened_forecast.measured if session.opened_forecast else ()
    with st.expander("Measured acceptance lengths"):
        st.caption("Of trained drafts at some k. They narrow the interval around it.")
        rows = st.data_editor(
            pd.DataFrame(
                {
                    "k": pd.Series([k for k, _ in opened], dtype="Int64"),
                    "Length": pd.Series([length for _, length in opened], dtype="float"),
                }
            ),
            num_rows="dynamic",
            hide_index=True,
            key="measured_rows",
            column_config={
                "k": st.column_config.NumberColumn(
                    "Size k", min_value=1, max_value=vocab_size, step=1
                ),
                "Length": st.column_config.NumberColumn("Acceptance length", min_value=1.0),
            },
        ).dropna()
    if rows["k"].duplicated().any():
        raise InputError("A size k is given twice among the measured acceptance lengths.")
    return {int(k): float(length) for k, length in zip(rows["k"], rows["Length"], strict=True)}
