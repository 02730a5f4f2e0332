"""Figures of Explore: the Pareto frontier, the cost per component, alpha and floor."""

from __future__ import annotations

import streamlit as st

from pages.ui import format, report_forecast
from pages.ui.fields import with_labels
from pages.ui.plots import draw, palette
from pages.ui.session import session
from vocabtrim_core import figures
from vocabtrim_core.draft_presets import PAPER_DRAFT
from vocabtrim_core.errors import InputError
from vocabtrim_core.tradeoff import Choice, TradeOff

TABLE_1 = (
    "The paper's Table 1 prints 436.2 M FLOPs for attention and 50.3 M for the feed-forward; its "
    "formulas give 134.2 M and 352.3 M at the same shapes, with the same sum, so the reduction is "
    "the same."
)


def _chosen_on_frontier() -> None:
    points = session.frontier.selection.points
    if points:
        picked = points[0]["customdata"]
        session.k = int(picked[0] if isinstance(picked, list) else picked)


def frontier(tradeoff: TradeOff, chosen: Choice) -> None:
    """Coverage against cost; a click chooses the size.

    Args:
        tradeoff: the trade-off in view.
        chosen: the choice to mark.
    """
    st.markdown(
        f"Coverage {format.MEASURED} against draft FLOPs saved {format.ESTIMATED}. "
        "Every dot is a vocabulary size; click one to choose it."
    )
    figure = figures.frontier_figure(figures.frontier_info(tradeoff), palette(), chosen)
    alt = "Pareto frontier: coverage of the counted tokens against draft FLOPs saved, by size"
    draw(figure, "frontier", alt, on_select=_chosen_on_frontier, selection_mode="points")


def breakdown(tradeoff: TradeOff, choice: Choice) -> None:
    """Where the cost of a draft step sits, before and after.

    Args:
        tradeoff: the trade-off in view.
        choice: the choice to compare with all tokens.
    """
    shape = tradeoff.architecture
    full = shape.flops(shape.vocab_size)
    head = 2 * shape.row_weights * shape.vocab_size / full
    st.markdown(
        f"One draft step of {shape.name} takes {full / 1e6:,.1f} M FLOPs with all "
        f"{shape.vocab_size:,} tokens, {format.percent(head)} of them in the LM head; with "
        f"{choice.k:,} it takes {shape.flops(choice.k) / 1e6:,.1f} M. {format.ESTIMATED}"
    )
    alt = f"FLOPs and weight bytes per component for {shape.vocab_size:,} and {choice.k:,} tokens"
    draw(
        figures.breakdown_figure(figures.breakdown_info(shape, choice.k), palette()),
        "breakdown",
        alt,
    )
    if shape.name == PAPER_DRAFT:
        st.caption(f"{TABLE_1} {format.FROM_PAPER}")
    cycle(tradeoff, choice)


def cycle(tradeoff: TradeOff, choice: Choice) -> None:
    """One cycle to scale: what is trimmed of it, and what a trimmed head takes.

    Args:
        tradeoff: the trade-off in view.
        choice: the choice to compare with all tokens.
    """
    shape, depth = tradeoff.architecture, report_forecast.assumed().depth
    kind = shape.head_kind
    st.markdown(f"**What is trimmed: one cycle, to scale** {format.ESTIMATED}  \n{kind.passes}")
    info = figures.cycle_info(shape, choice.k, depth)
    alt = (
        f"Weights that a cycle with {depth} drafted tokens reads, by part, with "
        f"{shape.vocab_size:,} and {choice.k:,} tokens"
    )
    draw(figures.cycle_figure(info, palette()), "cycle", alt)
    saved = shape.byte_reduction(choice.k, depth)
    texts = [f"The draft reads {format.percent(saved)} fewer bytes per cycle."]
    if copied := shape.copied_bytes(choice.k):
        texts.append(
            f"The full head is the target's own, so the trimmed one is a copy of its rows: "
            f"{format.megabytes(copied)} of memory more."
        )
    if not info.has_target:
        texts.append("The target's layers are not known here, so its part is left out.")
    st.caption(format.plain(f"{' '.join(texts)} Formula: {kind.source}."))


def landscape(tradeoff: TradeOff) -> None:
    """The best utility over both sliders, and the path of k* along one of them.

    Args:
        tradeoff: the trade-off in view.
    """
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        here = (tradeoff.alpha, tradeoff.floor) if tradeoff.floor >= 0.5 else None
        dot = "; the dot marks the settings in view" if here else ""
        st.markdown(
            f"**Best utility for every alpha and floor** {format.ESTIMATED}  \n"
            f"Lines connect equal best sizes{dot}."
        )
        figure = figures.landscape_figure(figures.landscape_info(tradeoff), here, palette())
        draw(figure, "landscape", "Best utility over alpha and coverage floor")
        if not here:
            st.caption("The floor is below 50%, outside this chart, where it changes little.")
    with right:
        st.markdown(
            f"**Best size along alpha** {format.ESTIMATED}  \n"
            f"With the floor at {format.percent(tradeoff.floor)} and the bounds as set."
        )
        try:
            path = figures.alpha_path_info(tradeoff)
        except InputError as error:
            st.warning(with_labels(str(error)), icon=":material/warning:")
            return
        draw(figures.alpha_path_figure(path, palette()), "alpha_path", "Best size against alpha")
