"""Tensor parallel: the rows of the vocabulary in view per rank, and the swap that evens them."""

from __future__ import annotations

import streamlit as st

from pages.ui.format import ESTIMATED, MEASURED, megabytes, percent
from pages.ui.frame import footer, plain_errors
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.generalize.extend_view import use
from pages.ui.generalize.pinned_tokens import choose_pinned
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.tables import WHOLE, table
from pages.ui.widgets import persisted
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.fields.kinds import share_of
from vocabtrim_core.selection.rank_balance import Balanced, balanced
from vocabtrim_core.selection.selection import mix
from vocabtrim_core.selection_spec.settings import Mix

ABOUT = (
    "Tensor-parallel engines share the target's vocabulary in runs of equal length, and the "
    "fullest rank sets the time of a step. Tokens are exchanged so that the rows are even and no "
    "more than the allowed coverage is lost."
)


def panel(evaluation: Evaluation) -> None:
    """Everything of this section, with its command.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    st.markdown(ABOUT)
    counts = [stored.counts for stored in evaluation.sets]
    frequencies = mix(counts, [1.0] * len(counts))
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        ranks = int(st.number_input("Ranks", 1, 64, 2, **persisted("balance_ranks")))
        lost = st.number_input(
            "Coverage that may be lost, %",
            0.0,
            100.0,
            0.0,
            0.01,
            format="%.3f",
            **persisted("balance_lost"),
        )
        stays = choose_pinned(
            evaluation.chooser, frequencies, "balance_protect", ("specials", "bytes")
        )
    most_lost = share_of(lost)
    argv = ["balance", str(evaluation.view.file), "--counts", *(s.key for s in evaluation.sets)]
    argv += ["--ranks", str(ranks), *stays.arguments]
    argv += ["--most-lost", f"{most_lost:g}"] if most_lost else []
    argv += ["--out", "even.json"]
    with right, plain_errors():
        even = balanced(
            evaluation.view.vocabulary, frequencies, ranks, most_lost=most_lost, fixed=stays.ids
        )
        _shown(evaluation, even)
        own = OwnVocabulary(
            f"Even over {ranks:,} ranks, {len(even.vocabulary):,} tokens",
            f"{len(even.vocabulary):,} tokens, even over {ranks:,} ranks",
            evaluation.chooser.key,
            even.vocabulary,
            tuple(argv),
            Mix(tuple(stored.key for stored in evaluation.sets)),
        )
        st.button(
            "Use this vocabulary",
            type="primary",
            icon=":material/check:",
            key="use_even",
            disabled=not even.swapped,
            on_click=use,
            args=("even", own, evaluation.chooser),
        )
    footer(argv)


def _shown(evaluation: Evaluation, even: Balanced) -> None:
    shape = evaluation.view.architecture
    fewer = int(even.before.max() - even.after.max())
    st.markdown(
        f"**{even.swapped:,} tokens are exchanged.** The fullest rank has {percent(even.saved)} "
        f"fewer rows, {megabytes(shape.head_bytes(fewer))} less to read per drafted token. "
        f"{ESTIMATED}"
    )
    rows = {
        "Rank": list(range(len(even.before))),
        "Rows before": even.before.tolist(),
        "Rows after": even.after.tolist(),
    }
    table(rows, "Rows per rank", dict.fromkeys(("Rows before", "Rows after"), WHOLE))
    before, after = (
        [coverage_on(v, stored.counts).coverage for stored in evaluation.sets]
        for v in (evaluation.view.vocabulary, even.vocabulary)
    )
    cells = {
        "Set": list(evaluation.names.values()),
        "Before": [100 * share for share in before],
        "After": [100 * share for share in after],
    }
    st.markdown(f"**Coverage before and after** {MEASURED}")
    table(cells, "Coverage before and after", dict.fromkeys(("Before", "After"), "%.3f%%"))
    st.caption(
        "Traffic that is not among these sets may lose what it alone needs: count it and choose it "
        "under Measured on."
    )
