"""Explore: move the trade-off, watch the best vocabulary size follow."""

import streamlit as st

from pages.ui import pins, sizes, state, tokens
from pages.ui.caching import cached
from pages.ui.charts.live_chart import curve_payload, curve_store, live_chart
from pages.ui.error_messages import fragment
from pages.ui.explore import actions, figures_view
from pages.ui.explore.controls import controls
from pages.ui.explore.draft_menu import ask_for_draft, draft_menu
from pages.ui.format import choice_sentence
from pages.ui.frame import choose_counts, footer, plain_errors, tabs
from pages.ui.router import require_router
from pages.ui.session import session

require_router()


@cached(4)
def payload(stored) -> dict[str, object]:
    """The curve of a counted set with its token texts, for the browser."""
    return curve_payload(state.curve_of(stored), stored.key, tokens.texts_by_rank(stored))


def picked() -> None:
    """A size was picked in the chart: it is chosen, or the optimum again."""
    session.k = session.live_chart.picked or None


@fragment
def explore(stored) -> None:
    """Chart and sliders; what they change reruns alone."""
    if session.redraw_page:
        del session.redraw_page
        st.rerun()
    curve = state.curve_of(stored)
    # The chart comes first, so that on a phone the sliders stand right under it.
    left, right = st.columns([3, 1], gap="medium")
    with right:
        settings = controls(curve.vocab_size)
        actions.remember(settings)
        buttons_place = st.container(gap="xsmall")
    tradeoff = choice = None
    with left, plain_errors():
        tradeoff = state.tradeoff_of(settings, curve)
        live_chart(
            tradeoff,
            stored.key,
            k=settings.k,
            log=session.x != "linear",
            presets=sizes.presets(curve.vocab_size),
            on_pick=picked,
        )
        choice = tradeoff.at(settings.k) if settings.k else tradeoff.optimum
        sentences = (
            choice_sentence(choice, curve, tradeoff.architecture),
            curve.padding_note(choice.k),
        )
        st.markdown(" ".join(filter(None, sentences)))
        actions.decision_card(stored, settings, tradeoff)
    with buttons_place:
        actions.buttons(stored, settings, choice)
    if choice:
        panels = {
            "Tokens at the cut": lambda: tokens.cut_tables(stored, choice.k),
            "Pinned choices": pins.panel,
            "Pareto frontier": lambda: figures_view.frontier(tradeoff, choice),
            "Cost per component": lambda: figures_view.breakdown(tradeoff, choice),
            "Alpha and floor": lambda: figures_view.landscape(tradeoff),
        }
        tabs(panels, key="view")
    else:
        with left:
            actions.recover(settings, tradeoff)
    chosen = ["coverage", stored.key, "--k", choice.k] if choice else ["drafts"]
    footer(["optimize", stored.key, *state.arguments(settings)], chosen)


state.apply_pending()
stored = choose_counts(
    "Explore",
    "Fewer draft tokens cost less and cover less. Find the size that is best.",
    beside=draft_menu,
)
ask_for_draft(stored.counts.vocab_size)
curve_store(payload(stored))
explore(stored)
