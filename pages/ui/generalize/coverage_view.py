"""Other traffic: coverage on every chosen set with its interval, crosswise, and by domain label."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from pages.ui import plots
from pages.ui.format import IN_SAMPLE_BADGE, MEASURED, percent, plain
from pages.ui.frame import plain_errors
from pages.ui.generalize.evaluation import (
    Evaluation,
    ends,
    in_percent,
    matrix,
)
from pages.ui.router import go_to
from pages.ui.stored_coverage import by_domain, held_out, unseen
from pages.ui.tables import WHOLE, table
from pages.ui.vocabularies import InView
from vocabtrim_core.coverage import HeldOut
from vocabtrim_core.figures import traffic as figures
from vocabtrim_core.generalization.intervals import CoverageInterval

NO_INTERVAL = (
    "An interval needs the answers of two conversations or more, which this workspace has not for "
    "{names}: count the set here, or a larger one, to have one."
)


def panel(evaluation: Evaluation) -> None:
    """Everything of this section.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    view, sets, chosen_on = evaluation.view, evaluation.sets, evaluation.chosen_on
    rows = evaluation.coverages()
    coverages = [covered for covered, _ in rows]
    outside = held_out(evaluation.chooser, view.plain_k) if view.plain_k else None
    in_sample = [row.name for s, row in zip(sets, coverages, strict=True) if s.key in chosen_on]
    info = figures.coverage_info(rows, in_sample, outside)
    _verdict(view, coverages, in_sample, outside)
    left, right = st.columns(2, gap="large") if len(sets) > 1 else (st.container(), None)
    with left:
        st.markdown(f"**Coverage of each set**, with 95% intervals over conversations {MEASURED}")
        alt = "Coverage of each set with its 95% interval, and the share of its distinct tokens"
        plots.draw(figures.coverage_figure(info, plots.palette()), "coverage", alt)
    if right:
        with right:
            _matrix(evaluation)
    _table(evaluation, coverages, {row.name: row for row in info})
    _remarks(view, info, outside)
    if right:
        _by_domain(evaluation)
    else:
        st.info(
            "Nothing else is measured. Count conversations of other traffic, such as your users' "
            "or a benchmark's, and see how far the choice carries.",
            icon=":material/library_books:",
        )
        go_to("corpus", "Count other conversations", type="primary", key="count_others")


def _matrix(evaluation: Evaluation) -> None:
    k = len(evaluation.view.vocabulary)
    st.markdown(
        f"**Chosen on the row, measured on the column**, coverage in %, {k:,} tokens each "
        f"{MEASURED}"
    )
    with plain_errors():
        named = replace(matrix(evaluation.sets, k), names=tuple(evaluation.names.values()))
        alt = "Transfer matrix: coverage of each set by the top tokens of each other set"
        plots.draw(figures.matrix_figure(named, plots.palette()), "matrix", alt)


def _verdict(
    view: InView, rows: list[HeldOut], in_sample: list[str], outside: CoverageInterval | None
) -> None:
    own, others = rows[0], [covered for covered in rows[1:] if covered.name not in in_sample]
    text = f"The {len(view.vocabulary):,} tokens in view cover "
    if outside:
        between = f" ({percent(outside.low, 2)} to {percent(outside.high, 2)})"
        text += (
            f"{percent(outside.value, 2)}{between} of held-out conversations of "
            f"{plain(own.name)} {MEASURED}, and {percent(own.coverage, 2)} of the "
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
    evaluation: Evaluation, coverages: list[HeldOut], shown: dict[str, figures.CoverageRow]
) -> None:
    rows = [
        {
            "Set": covered.name,
            "Coverage": in_percent(shown[covered.name].coverage),
            **ends(shown[covered.name].interval),
            "In sample": in_percent(shown[covered.name].in_sample),
            "Distinct": 100 * covered.unique_coverage,
            "Missing": covered.missing_tokens,
            "Tokens": covered.tokens,
            "Conversations": stored.counts.conversations,
            "Unseen": 100 * unseen(stored).value,
        }
        for stored, covered in zip(evaluation.sets, coverages, strict=True)
    ]
    between = ("%.2f%%", "95% interval over conversations")
    formats = {
        "Coverage": (
            "%.2f%%",
            "share of the set's tokens that are kept; held out for the set that chose",
        ),
        "From": between,
        "To": between,
        "In sample": ("%.2f%%", "share of the very tokens that chose the vocabulary"),
        "Distinct": ("%.1f%%", "share of its distinct tokens kept"),
        "Missing": (WHOLE, "distinct tokens of the set not kept"),
        "Tokens": WHOLE,
        "Conversations": WHOLE,
        "Unseen": (
            "%.3f%%",
            "estimated: share of a new conversation's tokens never seen; without conversations a "
            "lower bound",
        ),
    }
    table(rows, "Coverage of the vocabulary on each set", formats, placeholder="")


def _remarks(
    view: InView, info: tuple[figures.CoverageRow, ...], outside: CoverageInterval | None
) -> None:
    """What the table leaves empty, and why."""
    chosen_on = ", ".join(plain(row.name) for row in info if row.in_sample is not None)
    without = [
        plain(row.name)
        for row in info
        if row.interval is None and (row.in_sample is None or view.plain_k)
    ]
    if without:
        st.caption(NO_INTERVAL.format(names=", ".join(without)))
    if outside:
        st.caption(
            f"The tokens were chosen on {chosen_on}. Its coverage is held out: each tenth is "
            "measured with the tokens that the other nine choose."
        )
    elif chosen_on:
        st.caption(
            f"{chosen_on} had a part in choosing the tokens: coverage there is in sample, which is "
            "optimistic, and has no interval."
        )


def _by_domain(evaluation: Evaluation) -> None:
    """A table of the domain labels of the rows, nothing without them."""
    view, rows = evaluation.view, []
    for stored in evaluation.sets:
        own_k = view.plain_k if stored is evaluation.chooser else None
        domains, outside = by_domain(stored, view.vocabulary, own_k)
        in_sample = stored.key in evaluation.chosen_on and not outside
        for domain in domains:
            span = None if in_sample else domain.interval
            rows.append(
                {
                    "Set": evaluation.names[stored.key],
                    "Domain": domain.domain,
                    "Coverage": 100 * domain.coverage,
                    **ends((span.low, span.high) if span else None),
                    "Basis": "held out" if outside else "in sample" if in_sample else "",
                    "Tokens": domain.tokens,
                    "Conversations": domain.conversations,
                }
            )
    if not rows:
        return
    st.subheader("By domain label", anchor=False)
    frame = pd.DataFrame(rows).sort_values(["Set", "Coverage"], ascending=[True, False])
    share = "%.2f%%"
    formats = {"Coverage": share, "From": share, "To": share}
    formats |= {"Tokens": WHOLE, "Conversations": WHOLE}
    table(frame, "Coverage by the domain labels of the rows", formats, placeholder="")


def arguments(evaluation: Evaluation) -> list[str]:
    """The same as a command.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    return [*evaluation.arguments("--matrix"), "--domains"]
