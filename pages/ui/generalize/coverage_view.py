"""Other traffic: coverage on every chosen set with its interval, by domain label, and crosswise."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from pages.ui import eval_sets, plots
from pages.ui.format import IN_SAMPLE_BADGE, MEASURED, percent, plain
from pages.ui.frame import plain_errors
from pages.ui.generalize import coverage_data, domains_view
from pages.ui.router import page
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import HeldOut
from vocabtrim_core.figures import traffic as figures
from vocabtrim_core.generalization.stability import HeldOutCoverage

NO_INTERVAL = (
    "An interval needs the answers themselves, which this workspace has not kept for {names}: "
    "count the set here to have one."
)


def panel(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> None:
    """Everything of this section.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    sets = [chooser, *others]
    chose = coverage_data.chosen_on(view, chooser)
    rows = coverage_data.measured(view, sets, chose)
    outside = (
        coverage_data.held_out(chooser.key, view.plain_k, chooser.counts) if view.plain_k else None
    )
    in_sample = [row[0].name for s, row in zip(sets, rows, strict=True) if s.key in chose]
    info = figures.coverage_info(rows, in_sample, outside)
    _verdict(view, [covered for covered, _ in rows], in_sample, outside)
    left, right = st.columns(2, gap="large") if others else (st.container(), None)
    with left:
        st.markdown(f"**Coverage of each set**, with 95% intervals over conversations {MEASURED}")
        alt = "Coverage of each set with its 95% interval, and the share of its distinct tokens"
        plots.draw(figures.coverage_figure(info, plots.palette()), "coverage", alt)
    if right:
        with right:
            _matrix(view, sets)
    _table(sets, [covered for covered, _ in rows], {row.name: row for row in info})
    _remarks(view, info, outside)
    if others:
        domains_view.panel(view, chooser, sets, chose)
    else:
        _count_more()


def _matrix(view: InView, sets: list[StoredCounts]) -> None:
    k = len(view.vocabulary)
    st.markdown(
        f"**Chosen on the row, measured on the column**, coverage in %, {k:,} tokens each "
        f"{MEASURED}"
    )
    with plain_errors():
        transfer = coverage_data.matrix(tuple(s.key for s in sets), k, [s.counts for s in sets])
        named = replace(transfer, names=tuple(eval_sets.names_of(sets).values()))
        alt = "Transfer matrix: coverage of each set by the top tokens of each other set"
        plots.draw(figures.matrix_figure(named, plots.palette()), "matrix", alt)


def _count_more() -> None:
    st.info(
        "Nothing else is measured. Count conversations of other traffic, such as your users' or a "
        "benchmark's, and see how far the choice carries.",
        icon=":material/library_books:",
    )
    if st.button("Count other conversations", type="primary", key="count_others"):
        st.switch_page(page("corpus"))


def _verdict(
    view: InView, rows: list[HeldOut], in_sample: list[str], outside: HeldOutCoverage | None
) -> None:
    own, others = rows[0], [covered for covered in rows[1:] if covered.name not in in_sample]
    text = f"The {len(view.vocabulary):,} tokens in view keep "
    if outside:
        ends = outside.interval
        between = f" ({percent(ends.low, 2)} to {percent(ends.high, 2)})" if ends else ""
        text += (
            f"{percent(outside.value, 2)}{between} of conversations of {plain(own.name)} that had "
            f"no part in choosing them {MEASURED}, and {percent(own.coverage, 2)} of the "
            f"{own.tokens:,} tokens that chose them {IN_SAMPLE_BADGE}"
        )
    else:
        badge = IN_SAMPLE_BADGE if own.name in in_sample else MEASURED
        text += f"{percent(own.coverage)} of the {own.tokens:,} tokens of {plain(own.name)} {badge}"
    if others:
        worst = min(others, key=lambda covered: covered.coverage)
        best = max(others, key=lambda covered: covered.coverage)
        text += f"; on other traffic {percent(worst.coverage)} ({plain(worst.name)})"
        if worst is not best:
            text += f" to {percent(best.coverage)} ({plain(best.name)})"
        text += f" {MEASURED}"
    st.markdown(f"{text}.")


def _table(
    sets: list[StoredCounts], rows: list[HeldOut], shown: dict[str, figures.CoverageRow]
) -> None:
    frame = pd.DataFrame(
        [
            {
                "Set": covered.name,
                "Coverage": coverage_data.in_percent(shown[covered.name].coverage),
                **coverage_data.ends(shown[covered.name].interval),
                "In sample": coverage_data.in_percent(shown[covered.name].in_sample),
                "Distinct": 100 * covered.unique_coverage,
                "Missing": covered.missing_tokens,
                "Tokens": covered.tokens,
                "Conversations": stored.counts.conversations,
                "Unseen": 100 * coverage_data.unseen(stored.key, stored.counts).value,
            }
            for stored, covered in zip(sets, rows, strict=True)
        ]
    )
    number = st.column_config.NumberColumn
    between = number(format="%.2f%%", help="95% interval over conversations")
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="",
        alt="Coverage of the vocabulary on each set",
        column_config={
            "Coverage": number(
                format="%.2f%%",
                help="share of the set's tokens that are kept; held out for the set that chose",
            ),
            "From": between,
            "To": between,
            "In sample": number(
                format="%.2f%%", help="share of the very tokens that chose the vocabulary"
            ),
            "Distinct": number(format="%.1f%%", help="share of its distinct tokens kept"),
            "Missing": number(format="localized", help="distinct tokens of the set not kept"),
            "Tokens": number(format="localized"),
            "Conversations": number(format="localized"),
            "Unseen": number(
                format="%.3f%%",
                help="estimated: share of a new conversation's tokens never seen; without "
                "conversations a lower bound",
            ),
        },
    )


def _remarks(
    view: InView, info: tuple[figures.CoverageRow, ...], outside: HeldOutCoverage | None
) -> None:
    """What the table leaves empty, and why."""
    chose = ", ".join(plain(row.name) for row in info if row.in_sample is not None)
    without = [
        plain(row.name)
        for row in info
        if row.interval is None and (row.in_sample is None or view.plain_k)
    ]
    if without:
        st.caption(NO_INTERVAL.format(names=", ".join(without)))
    if outside:
        st.caption(
            f"{chose} chose the tokens. Its coverage is held out: each tenth of it is measured "
            "with the tokens that the other nine choose."
        )
    elif chose:
        st.caption(
            f"{chose} had a part in choosing the tokens: coverage there is in sample, which is "
            "optimistic, and has no interval."
        )


def arguments(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> list[str]:
    """The same as a command.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    on = ["--on", *(other.key for other in others), "--matrix"] if others else []
    return ["coverage", chooser.key, *view.arguments(), *on, "--domains"]
