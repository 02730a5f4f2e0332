"""Stability: how k* moves with the sample; the command `stability` in the background."""

from __future__ import annotations

import streamlit as st

from pages.ui import eval_sets, jobpanel, plots, state
from pages.ui.caching import cached
from pages.ui.format import ESTIMATED, IN_SAMPLE_BADGE, MEASURED, percent, plain
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.job_results import drawn_from, result_of
from pages.ui.stored_coverage import unseen
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.figures import stability as figures
from vocabtrim_core.generalization.held_out import Optimism, optimism

WHY = (
    "k* is chosen again from many smaller samples of your conversations, and from random halves of "
    "them. Where it no longer moves, more conversations would not change the choice."
)


@cached(6, "Choosing on one half, measuring on the other")
def halves(stored: StoredCounts) -> Optimism | None:
    """In-sample against held-out coverage; None without responses.

    Args:
        stored: the counted set.
    """
    responses = eval_sets.responses_of(stored)
    if responses is None or responses.conversations < 2:
        return None
    return optimism(responses, repeats=6)


def arguments(evaluation: Evaluation) -> list[str]:
    """The command of the trade-off as Explore has it.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    stored = evaluation.chooser
    return ["stability", stored.key, *state.arguments(state.settings(stored.counts.vocab_size))]


def panel(evaluation: Evaluation) -> None:
    """Everything of this section.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    stored, argv = evaluation.chooser, arguments(evaluation)
    job = jobpanel.finished(argv)
    result = result_of(job)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        if "samples" in result:
            with drawn_from(job):
                _result(result)
        else:
            st.markdown(WHY)
            jobpanel.start_button(
                "Measure how stable k* is",
                argv,
                f"Stability of k* on {stored.counts.name}",
                type="primary",
                icon=":material/query_stats:",
                key="stability_start",
            )
            jobpanel.watch_command(argv, "stability")
    with right:
        with drawn_from(job):
            _unseen(stored, result)
        _optimism(evaluation.view, stored)


def _result(result: dict) -> None:
    st.markdown(f"**{plain(result['sentence'])}** {ESTIMATED}")
    info = figures.stability_info(result)
    alt = "Best size k* of subsamples against the number of conversations in them"
    plots.draw(figures.stability_figure(info, plots.palette()), "stability", alt)
    st.caption(
        f"Drawn from {plain(result['drawn_from'])}, alpha {result['alpha']:g}, draft "
        f"{plain(result['draft'])}. The paper's figure 3 goes from 11,199 at 1,000 conversations "
        "to 13,000 to 13,300 beyond 10,000."
    )


def _unseen(stored: StoredCounts, result: dict) -> None:
    # The badge says that it is estimated.
    share_unseen = unseen(stored).words(stored.counts.name).replace(" (estimated).", ".")
    text = f"**Not seen yet.** {plain(share_unseen)} {ESTIMATED}"
    if "held_out" in result:
        value, low, high = (result["held_out"][name] for name in ("value", "low", "high"))
        between = "" if low is None else f" ({percent(low, 2)} to {percent(high, 2)})"
        text += (
            f"  \n**Held out.** C(k\\*) is {percent(value, 2)}{between} on held-out "
            f"conversations {MEASURED}; in sample {percent(result['coverage'], 2)}."
        )
    elif result:
        text += f"  \nC(k\\*) is {percent(result['coverage'], 2)} {IN_SAMPLE_BADGE}."
    st.markdown(text)


def _optimism(view: InView, stored: StoredCounts) -> None:
    gap = halves(stored)
    if gap is None:
        st.caption(
            "The gap between in-sample and held-out coverage needs the answers themselves; count "
            "this set here to see it."
        )
        return
    alt = "Coverage on the half of the conversations that chose the tokens and on the other half"
    figure = figures.optimism_figure(gap, len(view.vocabulary), plots.palette())
    plots.draw(figure, "optimism", alt)
    st.caption(
        "Random halves: one chooses, the other is measured. Choosing on all conversations is "
        "optimistic by about half as much."
    )
