"""Explore: move the trade-off, watch the best vocabulary size follow."""

import math
from dataclasses import replace

import streamlit as st

from pages.ui import pins, plots, state, tokens
from pages.ui.charts.live_chart import curve_payload, curve_store, live_chart
from pages.ui.explore.controls import controls, draft_menu
from pages.ui.format import choice_sentence
from pages.ui.frame import choose_counts, footer, heading, plain_errors
from pages.ui.router import require_router
from vocabtrim_core.fields.kinds import share_of

require_router()


@st.cache_resource(max_entries=4, show_spinner=False)
def payload(key: str, _stored) -> dict[str, object]:
    curve = state.curve_of(key, _stored.counts)
    return curve_payload(curve, key, tokens.texts_by_rank(key, _stored.counts, curve))


def picked() -> None:
    st.session_state.k = st.session_state.live_chart.picked or None


@st.fragment
def explore(stored) -> None:
    if st.session_state.pop("redraw_page", False):
        st.rerun()
    curve = state.curve_of(stored.key, stored.counts)
    # The chart comes first, so that on a phone the sliders stand right under it.
    left, right = st.columns([3, 1], gap="medium")
    with right:
        settings = controls(curve.vocab_size)
        state.remember(settings)
        actions = st.container(gap="xsmall")
    tradeoff = choice = None
    with left, plain_errors():
        tradeoff = state.tradeoff_of(settings, curve)
        live_chart(
            tradeoff,
            stored.key,
            k=settings.k,
            log=st.session_state.x != "linear",
            presets=state.presets(curve.vocab_size),
            on_pick=picked,
        )
        choice = tradeoff.at(settings.k) if settings.k else tradeoff.optimum
        said = choice_sentence(choice, curve, tradeoff.architecture), curve.padding_note(choice.k)
        st.markdown(" ".join(filter(None, said)))
    with actions:
        buttons(stored, settings, tradeoff, choice)
    if choice:
        details(stored, settings, tradeoff, choice)
    else:
        with left:
            way_out(settings, tradeoff)
    chosen = ["coverage", stored.key, "--k", choice.k] if choice else ["drafts"]
    footer(["optimize", stored.key, *state.arguments(settings)], chosen)


def buttons(stored, settings, tradeoff, choice) -> None:
    start = state.defaults(stored.counts.vocab_size)
    st.button(
        "Pin",
        key="pin",
        icon=":material/keep:",
        type="primary",
        shortcut="P",
        on_click=pins.pin,
        args=(stored, settings, choice),
        disabled=choice is None,
        width="stretch",
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Undo",
            key="undo",
            icon=":material/undo:",
            type="tertiary",
            shortcut="U",
            on_click=state.undo,
            disabled=not state.can_undo(),
        )
        st.button(
            "Reset",
            key="reset",
            icon=":material/restart_alt:",
            type="tertiary",
            on_click=state.apply,
            args=(start,),
            disabled=settings == start,
        )


def way_out(settings, tradeoff) -> None:
    """The button that puts right what leaves no size to choose: crossed bounds, or the floor."""
    if tradeoff is None:
        title = f"Search from {settings.k_max:,} to {settings.k_min:,}"
        change = {"k_min": settings.k_max, "k_max": settings.k_min}
    else:
        reach = math.floor(1000 * tradeoff.curve.at(tradeoff.last_k)) / 10
        title, change = f"Lower the floor to {reach:.1f}%", {"floor": share_of(reach)}
    st.button(
        title,
        key="way_out",
        type="primary",
        on_click=state.apply,
        args=(replace(settings, **change),),
    )


def details(stored, settings, tradeoff, choice) -> None:
    names = [
        "Tokens at the cut",
        "Pinned choices",
        "Pareto frontier",
        "Cost per component",
        "Alpha and floor",
    ]
    cut, pinned, frontier, cost, landscape = st.tabs(names, key="view", on_change="rerun")
    if cut.open:
        with cut:
            tokens.cut_tables(stored, choice.k)
    if pinned.open:
        with pinned:
            pins.panel()
    if frontier.open:
        with frontier:
            plots.frontier(tradeoff, choice)
    if cost.open:
        with cost:
            plots.breakdown(tradeoff, choice)
    if landscape.open:
        with landscape:
            plots.landscape(tradeoff)


state.take_up()
with heading("Explore", "Fewer draft tokens cost less and cover less. Find the size that is best."):
    stored = choose_counts(beside=draft_menu)
if stored:
    curve_store(payload(stored.key, stored))
    explore(stored)
