"""Other traffic: coverage on every chosen set with its interval, by domain label, and crosswise."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import eval_sets, plots
from pages.ui.format import MEASURED, percent, plain
from pages.ui.frame import plain_errors
from pages.ui.generalize import coverage_data
from pages.ui.router import page
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.figures import traffic as figures
from vocabtrim_core.generalization.compare import TransferMatrix
from vocabtrim_core.generalization.uncertainty import (
    CoverageInterval,
    unseen_mass,
)

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
    rows = coverage_data.measured(view, [chooser, *others])
    chosen_on = rows[0][1].name if view.plain_k else None
    outside = (
        coverage_data.held_out(chooser.key, view.plain_k, chooser.counts) if view.plain_k else None
    )
    _verdict(view, rows, outside)
    left, right = st.columns(2, gap="large") if others else (st.container(), None)
    with left:
        st.markdown(f"**What each set keeps**, with 95% intervals over conversations {MEASURED}")
        info = figures.coverage_info([row[1:] for row in rows], chosen_on, outside)
        alt = "Coverage of each set with its 95% interval, and the share of its distinct tokens"
        plots.draw(figures.coverage_figure(info, plots.palette()), "coverage", alt)
    if right:
        with right:
            _matrix(view, [chooser, *others])
    _table(rows, chosen_on)
    if others:
        _domains(view, [chooser, *others])
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
        names = tuple(eval_sets.names_of(sets).values())
        named = TransferMatrix(names, transfer.k, transfer.coverage, transfer.unique)
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


def _verdict(view: InView, rows: list, outside: CoverageInterval | None) -> None:
    own, others = rows[0][1], [row[1] for row in rows[1:]]
    text = (
        f"The {len(view.vocabulary):,} tokens in view keep {percent(own.coverage)} of the "
        f"{own.tokens:,} tokens of {plain(own.name)}"
    )
    if others:
        worst = min(others, key=lambda covered: covered.coverage)
        best = max(others, key=lambda covered: covered.coverage)
        text += f"; on other traffic {percent(worst.coverage)} ({plain(worst.name)})"
        if worst is not best:
            text += f" to {percent(best.coverage)} ({plain(best.name)})"
    st.markdown(f"{text}. {MEASURED}")
    if outside:
        overstated = 100 * (own.coverage - outside.value)
        st.markdown(
            f"On new conversations of {plain(own.name)} itself expect {percent(outside.value, 2)} "
            f"({percent(outside.low, 2)} to {percent(outside.high, 2)}, 95% interval): choosing "
            f"and measuring on the same text overstates it by {overstated:.2f} points. {MEASURED}"
        )


def _table(rows: list, chosen_on: str | None) -> None:
    frame = pd.DataFrame(
        [
            {
                "Set": covered.name,
                "Coverage": 100 * covered.coverage,
                "From": 100 * between.low if between else None,
                "To": 100 * between.high if between else None,
                "Distinct": 100 * covered.unique_coverage,
                "Missing": covered.missing_tokens,
                "Tokens": covered.tokens,
                "Conversations": stored.counts.conversations,
                "Unseen": 100 * unseen_mass(stored.counts.counts),
            }
            for stored, covered, between in rows
        ]
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="",
        alt="Coverage of the vocabulary on each set",
        column_config={
            "Coverage": number(format="%.2f%%", help="share of the set's tokens that are kept"),
            "From": number(format="%.2f%%", help="95% interval, conversations drawn again"),
            "To": number(format="%.2f%%", help="95% interval, conversations drawn again"),
            "Distinct": number(format="%.1f%%", help="share of its distinct tokens kept"),
            "Missing": number(format="localized", help="distinct tokens of the set not kept"),
            "Tokens": number(format="localized"),
            "Conversations": number(format="localized"),
            "Unseen": number(
                format="%.3f%%",
                help="chance that the set's next token is one it has not had yet (Good-Turing)",
            ),
        },
    )
    without = [plain(covered.name) for _, covered, between in rows if between is None]
    if without:
        st.caption(NO_INTERVAL.format(names=", ".join(without)))
    if chosen_on:
        st.caption(f"{plain(chosen_on)} chose the tokens, so coverage on it is overstated.")


def _domains(view: InView, sets: list[StoredCounts]) -> None:
    sha, names = view.vocabulary.sha256, eval_sets.names_of(sets)
    domains = [
        (names[stored.key], row)
        for stored in sets
        for row in coverage_data.by_domain(stored.key, sha, stored.counts, view.vocabulary)
    ]
    if not domains:
        return
    st.subheader("By domain label", anchor=False)
    frame = pd.DataFrame(
        [
            {
                "Set": name,
                "Domain": row.domain,
                "Coverage": 100 * row.coverage,
                "From": 100 * row.interval.low if row.interval else None,
                "To": 100 * row.interval.high if row.interval else None,
                "Tokens": row.tokens,
                "Conversations": row.conversations,
            }
            for name, row in domains
        ]
    ).sort_values(["Set", "Coverage"], ascending=[True, False])
    number = st.column_config.NumberColumn
    share = number(format="%.2f%%")
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="",
        alt="Coverage by the domain labels of the rows",
        column_config={
            "Coverage": share,
            "From": share,
            "To": share,
            "Tokens": number(format="localized"),
            "Conversations": number(format="localized"),
        },
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
